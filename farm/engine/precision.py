"""Which precision this device convolves fastest in, found by a short measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from farm.engine.extractor import Extractor
from farm.engine.frame import Frame
from farm.engine.gradient import Evaluator
from farm.engine.losses import gram_loss
from farm.engine.moments import Moments
from farm.engine.objective import Objective, StyleTerm
from farm.engine.processor import processor_has_bfloat16
from farm.errors import InvalidInput

NAMES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_WORTH_IT = 1.15
"""Fewer digits cost accuracy, so they have to be this much faster."""
_SIDE = 192
_TURNS = 7
_PASSES = 4


@dataclass(frozen=True)
class Precision:
    """Of convolutions; moments, losses and pixels are float32 always."""

    name: str
    dtype: torch.dtype
    tf32: bool = False
    processor: bool = True
    """Whether a processor has it, and not only a GPU."""
    chosen: bool = True
    """Whether it is taken unasked: float16 ends at 65504, and VGG-19's activations come near."""


PRECISIONS = {
    one.name: one
    for one in (
        Precision("float32", torch.float32),
        Precision("tfloat32", torch.float32, tf32=True, processor=False),
        Precision("bfloat16", torch.bfloat16),
        Precision("float16", torch.float16, processor=False, chosen=False),
    )
}


def precision(name: str, extractor: Extractor, device: torch.device) -> Precision:
    """The precision of that name; ``auto`` measures one small gradient in each.

    Raises:
        InvalidInput: the device does not have it.
    """
    if name != "auto":
        asked = PRECISIONS[name]
        if device.type == "cpu" and not asked.processor:
            raise InvalidInput(
                f"engine.precision: {name!r} needs a GPU; use bfloat16, float32 or auto.",
                field="engine.precision",
            )
        return asked
    able = [one for one in available(device) if one.chosen]
    pace = _paces(extractor, able, device)
    exact = pace["float32"]
    worth = [one for one in able if one.name == "float32" or exact / pace[one.name] > _WORTH_IT]
    return min(worth, key=lambda one: pace[one.name])


def available(device: torch.device) -> list[Precision]:
    """The precisions that a device was built for. A processor may do without, only much slower."""
    return [one for one in PRECISIONS.values() if device.type != "cpu" or _on_processor(one)]


def _on_processor(kind: Precision) -> bool:
    return kind.processor and (kind.dtype != torch.bfloat16 or processor_has_bfloat16())


def name_of(dtype: torch.dtype) -> str:
    """``float32`` or ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def gradient_seconds(extractor: Extractor, kind: Precision, device: torch.device) -> float:
    """Seconds of a gradient of 192 × 192 pixels down to the deepest tap; the best of some."""
    return _paces(extractor, [kind], device)[kind.name]


def _paces(extractor: Extractor, kinds: Sequence[Precision], device: torch.device) -> dict[str, float]:
    """Seconds of a small gradient in each precision.

    They take turns: what else the machine does in the meantime must not decide between them, or two
    prints of one order would be made in two precisions.
    """
    picture = torch.linspace(0, 1, 3 * _SIDE**2, device=device).reshape(1, 3, _SIDE, _SIDE)
    tap = list(extractor.taps)[-1]
    width = extractor.taps[tap].channels
    target = Moments(torch.ones(width, device=device), torch.eye(width, device=device))
    objective = Objective(Frame(_SIDE, _SIDE), [StyleTerm(tap, 1.0, [(1.0, target)], gram_loss)])
    evaluators = {kind.name: Evaluator(extractor, None, kind.dtype, tf32=kind.tf32) for kind in kinds}
    best = dict.fromkeys(evaluators, math.inf)
    for turn in range(_TURNS):
        for name, evaluator in evaluators.items():
            began = perf_counter()
            evaluator(picture, objective).pixels[0, 0, 0, 0].item()
            if turn:  # the first warms up
                best[name] = min(best[name], perf_counter() - began)
    return best


def fastest_forward(
    forward: Callable[[torch.Tensor, None, torch.dtype], torch.Tensor],
    device: torch.device,
    kinds: Sequence[torch.dtype] = tuple(NAMES.values()),
) -> torch.dtype:
    """Which of the dtypes ``forward(picture, None, dtype)`` is fastest in at 256²; warms it up too."""
    seconds = forward_seconds(forward, device, kinds)
    return min(seconds, key=lambda kind: seconds[kind])


def forward_seconds(
    forward: Callable[[torch.Tensor, None, torch.dtype], torch.Tensor],
    device: torch.device,
    kinds: Sequence[torch.dtype],
) -> dict[torch.dtype, float]:
    """Seconds of a forward pass at 256 × 256 in each dtype, by turns; the best of some."""
    picture = torch.linspace(0, 1, 3 * 256 * 256, device=device).reshape(1, 3, 256, 256)
    best = dict.fromkeys(kinds, math.inf)
    for turn in range(_PASSES):
        for kind in kinds:
            began = perf_counter()
            forward(picture, None, kind).sum().item()
            if turn:  # the first warms up
                best[kind] = min(best[kind], perf_counter() - began)
    return best
