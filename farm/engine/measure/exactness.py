"""How far apart the results are that ought to be the same: tiled and untiled, one rank and several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor

from farm.engine.extractor import Extractor
from farm.engine.gradient import Evaluator
from farm.engine.halo import gather
from farm.engine.measure.subject import Subject
from farm.engine.mesh import Mesh
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.engine.threads import spmd


def tiling_error(extractor: Extractor, recipe: Recipe, size: tuple[int, int], tile: int) -> float:
    """``‖tiled − untiled‖ / ‖untiled‖`` of the gradient in float64, for noise of (height, width)."""
    exact = deepcopy(extractor).to("cpu").double()
    draw = torch.Generator().manual_seed(0)
    picture, content, style = (
        torch.rand((1, 3, *size), generator=draw, dtype=torch.float64) for _ in range(3)
    )
    subject = Subject(exact, recipe, content, style)

    def gradient(side: int | None) -> Tensor:
        scene = subject.scene(Evaluator(exact, side, torch.float64))
        return scene.evaluator(picture, scene.objectives[0]).pixels

    wanted = gradient(None)
    return float((gradient(tile) - wanted).norm() / wanted.norm())


def finished_by(
    subject: Subject, evaluator: Evaluator, scales: Sequence[Scale], devices: Sequence[torch.device]
) -> Tensor:
    """The picture that a run on a rank per device ends with, in the machine's memory."""

    def work(mesh: Mesh) -> Tensor | None:
        for iterate in subject.run(evaluator, scales, mesh):
            if iterate.is_last:
                return gather(mesh, iterate.picture, iterate.layout.owned)
        raise ValueError("a pyramid has at least one iteration")

    picture = spmd(devices, work)[0]
    assert picture is not None  # rank 0 has it
    return picture


def psnr(one: Tensor, other: Tensor) -> float:
    """``−10 log₁₀`` of the mean squared difference of pictures in [0, 1], in dB; inf if the same."""
    error = float((one.double() - other.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)
