"""The pace of whole iterations, of the net alone, and of its convolutions alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.evaluation import SHIFTS
from farm.engine.extractor import RGB
from farm.engine.frame import MARGIN, reflected
from farm.engine.gradient import Evaluator
from farm.engine.measure.ceiling import rounding
from farm.engine.measure.pace import Effort, Pace, pace
from farm.engine.measure.subject import Subject
from farm.engine.measure.work import down_to
from farm.engine.mesh import Mesh
from farm.engine.precision import Precision
from farm.engine.tape import Chain, Layer


def iteration_pace(
    subject: Subject, evaluator: Evaluator, effort: Effort, mesh: Mesh | None = None
) -> Pace:
    """Whole iterations as a print makes them: gradient, step and average, at the content's size.

    Every rank of a mesh calls this, each with the same effort, which then must not end by time.
    """
    # Each shift is another shape, which the convolution library prepares for when it first sees it.
    count = (len(SHIFTS) + effort.repeats) * effort.together
    iterates = subject.run(evaluator, [subject.scale(count)], mesh)
    return pace(lambda: next(iterates).loss, effort, warmups=len(SHIFTS))


def net_pace(subject: Subject, evaluator: Evaluator, effort: Effort) -> Pace:
    """The net alone, down and up again: no sums, no losses, no optimiser."""
    chain, pixels = evaluator.chain(subject.recipe.taps), reflected(subject.content)
    return pace(lambda: chain.up(chain.down(pixels), _nothing), effort)


def convolution_seconds(subject: Subject, kind: Precision, effort: Effort) -> float:
    """Seconds of an iteration's convolutions, each timed alone on a map of its own shape, and summed.

    Forward with the kernel and backward with the transposed one, on the picture and its reflection;
    nothing but the convolutions.
    """
    extractor, taps = subject.extractor, subject.recipe.taps
    height, width = (side + 2 * MARGIN for side in subject.size)
    layers = Chain(extractor, taps, kind.dtype, tf32=kind.tf32).layers
    share = Effort(effort.repeats, effort.seconds / (2 * len(layers)), effort.together)
    total, previous = 0.0, extractor.taps[RGB].channels
    with rounding(kind), torch.no_grad():
        for layer, tap in zip(layers, down_to(extractor, taps), strict=True):
            shape = (height // tap.stride, width // tap.stride)
            before, after = (
                torch.rand(1, channels, *shape, device=subject.device).to(
                    kind.dtype, memory_format=torch.channels_last
                )
                for channels in (previous, tap.channels)
            )
            total += pace(_forward(layer, before), share).median
            total += pace(_backward(layer, after), share).median
            previous = tap.channels
    return total


def _forward(layer: Layer, features: Tensor) -> Callable[[], Tensor]:
    return lambda: F.conv2d(features, layer.kernel, layer.bias, padding=1)


def _backward(layer: Layer, gradient: Tensor) -> Callable[[], Tensor]:
    return lambda: F.conv2d(gradient, layer.transposed, padding=1)


def _nothing(tap: str, map_: Tensor, gradient: Tensor) -> None:
    return None
