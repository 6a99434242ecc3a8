"""Train the any-style preview nets against the losses that a print minimises.

Perceptual training after Johnson, Alahi and Fei-Fei (2016), with style and strength drawn anew
for every picture, so that one net serves any style at any strength. A light net learns from a full one
too, whose pictures it is shown (Hinton, Vinyals and Dean 2015, with pictures in place of classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.colour_match import match_colours
from farm.engine.extractor import Extractor
from farm.engine.preview_net import SHAPES, PreviewNet, net_for
from farm.engine.style_code import StyleCode, encode_style
from farm.engine.train.course import Course, Finished, Report, autocast, run, start_of
from farm.engine.train.data import crops, recolour, warp
from farm.engine.train.objective import picture_losses
from farm.engine.train.pool import Pool, PoolPlan

CATALOGUE_EDGES = (512, 320, 192)
"""Sides in pixels that the catalogue's styles are looked at with."""

PHOTOGRAPHS, SCENES = 0.5, 0.85
"""Contents are photographs up to the first share, scenes up to the second, and styles beyond."""

TAUGHT = 2.0
"""Weight of the mean difference from the teacher's picture."""


@dataclass(frozen=True)
class PreviewRecipe:
    """Everything that decides the weights, recorded in the model's card.

    ``known_share`` of the pictures get a style of the catalogue: people try those first.
    """

    size: str = "full"
    seed: int = 20261122
    steps: int = 3800
    batch: int = 4
    side: int = 128
    learning_rate: float = 2e-3
    per_generator: int = 48
    crops_per_photograph: int = 40
    source_side: int = 192
    refresh_every: int = 200
    known_share: float = 0.3
    teacher: str | None = None

    @property
    def pool(self) -> PoolPlan:
        """The generated pictures."""
        return PoolPlan(self.per_generator, self.source_side, self.refresh_every, self.seed)


def recipe_on(device: torch.device) -> PreviewRecipe:
    """What is worth doing there: a GPU sees more and larger pictures, and new ones more often."""
    if device.type == "cpu":
        return PreviewRecipe()
    return replace(
        PreviewRecipe(), steps=12_000, batch=24, side=192, source_side=288, per_generator=96,
        crops_per_photograph=120, refresh_every=16,
    )  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What is trained with, beside what is generated.

    ``photographs`` and ``catalogue`` are ``(3, h, w)`` in [0, 1]; ``teacher`` has the extractor of the
    net that it teaches.
    """

    photographs: Sequence[Tensor]
    catalogue: Sequence[Tensor]
    extractor: Extractor
    teacher: PreviewNet | None = None


def train(
    material: Material,
    recipe: PreviewRecipe,
    report: Report,
    device: torch.device,
    *,
    workers: int = 2,
    checkpoint: Path | None = None,
) -> tuple[PreviewNet, Finished]:
    """Train a net of the recipe's size; goes on from ``checkpoint`` if that is there.

    Raises:
        InvalidInput: the checkpoint is of another recipe.
    """
    torch.manual_seed(recipe.seed)
    net = net_for(material.extractor, SHAPES[recipe.size])
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    course = Course(recipe.steps, recipe.learning_rate, recipe.seed, asdict(recipe), checkpoint)
    with Pool(recipe.pool, start_of(course), workers, device) as pool:
        lesson = Lesson(net, material, recipe, pool, device)
        finished = run(net, lesson.loss, course, report)
    return net, finished


class Lesson:
    """The loss of a step, over pictures drawn for it."""

    def __init__(
        self, net: PreviewNet, material: Material, recipe: PreviewRecipe, pool: Pool,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._net, self._material, self._recipe, self._pool = net, material, recipe, pool
        self._extractor = material.extractor.to(device)
        self._crops = photograph_crops(material.photographs, recipe, device)
        self._known = _known(material, device)

    def loss(self, step: int, generator: torch.Generator) -> Tensor:
        """The mean over a batch, relative to doing nothing."""
        recipe, extractor, net = self._recipe, self._extractor, self._net
        self._pool.go_to(step)
        content = contents(self._pool, self._crops, recipe, generator)
        strength = (0.3 + 0.7 * torch.rand(recipe.batch, generator=generator)).to(content.device)
        with autocast(content.device):
            code = self._codes(generator)
            matched = match_colours(content, code.colour_mean, code.colour_covariance).clamp(0, 1)
            matched = matched.to(memory_format=torch.channels_last)
            stylised = net(matched, net.modulation(code, strength)).float()
            loss = relative_loss(extractor, stylised, matched, content, code, strength)
            teacher = self._material.teacher
            if teacher is not None:
                with torch.no_grad():
                    shown = teacher(matched, teacher.modulation(code, strength)).float()
                loss = loss + TAUGHT * (stylised - shown).abs().mean()
        return loss

    @torch.no_grad()
    def _codes(self, generator: torch.Generator) -> StyleCode:
        """Styles of the pool and of photographs, some replaced by the catalogue's."""
        recipe, pool = self._recipe, self._pool
        count = len(pool.styles) + len(self._crops) // 3
        chosen = torch.randint(count, (recipe.batch,), generator=generator)
        known = torch.rand(recipe.batch, generator=generator) < recipe.known_share
        which = torch.randint(max(1, len(self._known or ())), (recipe.batch,), generator=generator)
        pictures = torch.stack(
            [
                pool.pictures[pool.styles[one]]
                if one < len(pool.styles)
                else self._crops[3 * (one - len(pool.styles))]
                for one in chosen.tolist()
            ]
        )
        code = encode_style(self._extractor, warp(pictures, recipe.side, generator, (0.6, 1.0)))
        for place in known.nonzero()[:, 0].tolist() if self._known else ():
            code = code.replaced(place, self._known[int(which[place])])
        return code


def relative_loss(
    extractor: Extractor, stylised: Tensor, matched: Tensor, content: Tensor, code: StyleCode,
    strength: Tensor,
) -> Tensor:  # fmt: skip
    """The mean loss of a batch over that of doing nothing, so that none is learnt at others' cost."""
    losses = picture_losses(extractor, stylised, content, code, strength)
    with torch.no_grad():
        before = picture_losses(extractor, matched, content, code, strength)
    return (losses / (before + 0.3)).mean()


def photograph_crops(
    photographs: Sequence[Tensor], recipe: PreviewRecipe, device: torch.device
) -> Tensor:
    """Crops of all photographs as ``(n, 3, side, side)`` uint8; none where there are none."""
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    if not photographs:
        return torch.empty(0, 3, recipe.source_side, recipe.source_side, dtype=torch.uint8)
    found = crops(photographs, recipe.crops_per_photograph, recipe.source_side, generator)
    return found.to(device)


def contents(
    pool: Pool, photographed: Tensor, recipe: PreviewRecipe, generator: torch.Generator
) -> Tensor:
    """A batch of views ``(n, 3, side, side)`` in [0, 1] of photographs, scenes and surfaces."""
    kinds = torch.rand(recipe.batch, generator=generator).tolist()
    picks = torch.rand(recipe.batch, generator=generator).tolist()
    chosen = []
    for kind, pick in zip(kinds, picks, strict=True):
        if kind < PHOTOGRAPHS and len(photographed):
            chosen.append(photographed[int(pick * len(photographed))])
        else:
            places = pool.scenes if kind < SCENES else pool.styles
            chosen.append(pool.pictures[places[int(pick * len(places))]])
    views = warp(torch.stack(chosen), recipe.side, generator, (0.45, 0.9))
    return recolour(views, generator, 0.2)


def _known(material: Material, device: torch.device) -> list[StyleCode]:
    """The catalogue's styles, each at several sizes."""
    return [
        encode_style(
            material.extractor, F.interpolate(style[None].to(device), (edge, edge), mode="area")
        )
        for style in material.catalogue
        for edge in CATALOGUE_EDGES
    ]
