"""Train a net for one style, from the any-style net on: what a brand's own style deserves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from farm.engine.extractor import Extractor
from farm.engine.preview_net import PreviewNet, Shape
from farm.engine.style_code import StyleCode, encode_style
from farm.engine.style_net import StyleNet
from farm.engine.train.course import Course, Finished, Report, autocast, run, start_of
from farm.engine.train.pool import Pool
from farm.engine.train.preview import (
    PreviewRecipe,
    contents,
    photograph_crops,
    relative_loss,
)

STYLE_EDGE = 512
"""Long edge in pixels that a style is looked at with, as in previews."""


@dataclass(frozen=True)
class Lessons:
    """What a style is learnt from: ``style`` ``(1, 3, h, w)``, ``photographs`` ``(3, h, w)``; the
    any-style ``net`` to begin with and its ``shape``.
    """

    style: Tensor
    photographs: Sequence[Tensor]
    extractor: Extractor
    net: PreviewNet
    shape: Shape


def style_recipe(device: torch.device) -> PreviewRecipe:
    """Minutes: the net can paint already."""
    recipe = replace(PreviewRecipe(), steps=600, learning_rate=5e-4, per_generator=16)
    return recipe if device.type == "cpu" else replace(recipe, steps=2000, batch=16, side=192)


def train_style(
    lessons: Lessons,
    recipe: PreviewRecipe,
    report: Report,
    device: torch.device,
    *,
    workers: int = 2,
    checkpoint: Path | None = None,
) -> tuple[StyleNet, Finished]:
    """Train; goes on from ``checkpoint`` if that is there. The recipe's shares of styles do not count.

    Raises:
        InvalidInput: the checkpoint is of another recipe.
    """
    torch.manual_seed(recipe.seed)
    extractor = lessons.extractor.to(device)
    code = encode_style(extractor, lessons.style.to(device))
    net = StyleNet.of(lessons.net.to(device), code, lessons.shape.widths, lessons.shape.blocks)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    many = StyleCode.stack([code] * recipe.batch)
    seen = photograph_crops(lessons.photographs, recipe, device)
    course = Course(recipe.steps, recipe.learning_rate, recipe.seed, asdict(recipe), checkpoint)
    with Pool(recipe.pool, start_of(course), workers, device) as pool:

        def loss(step: int, generator: torch.Generator) -> Tensor:
            pool.go_to(step)
            content = contents(pool, seen, recipe, generator)
            strength = (0.3 + 0.7 * torch.rand(recipe.batch, generator=generator)).to(device)
            with autocast(device):
                matched = net.matched(content).to(memory_format=torch.channels_last)
                stylised = net(matched, net.modulation(strength)).float()
                return relative_loss(extractor, stylised, matched, content, many, strength)

        finished = run(net, loss, course, report)
    return net, finished
