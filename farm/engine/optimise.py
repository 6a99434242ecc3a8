"""Gatys optimisation over a pyramid, as a generator of typed iterates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.adam import AdamOptions, AdamState, resample
from farm.engine.colour_match import colour_statistics, match_colours, tint
from farm.engine.extractor import RGB
from farm.engine.gradient import Evaluator, Gradient
from farm.engine.losses import STYLE_LOSSES
from farm.engine.moments import Moments
from farm.engine.objective import ContentTerm, Objective, StyleTerm, Term, mask_at
from farm.engine.pyramid import Scale

SHIFTS = ((0, 0), (3, 5), (6, 2), (5, 7))
"""Pixels that are left out at the top and the left, by turns.

Pools see the picture through a grid, and optimisation locks patterns to it that show as dots and
crosses. Moving the grid from iteration to iteration averages them away.
"""
SHIFTED_FROM = 64
"""Shorter sides than this, in pixels, are not worth shifting."""

Targets = list[dict[str, Moments]]
"""Per style, its moments by tap."""


@dataclass(frozen=True)
class Style:
    """A style picture ``(1, 3, h, w)`` in [0, 1], its share, and where on the content it goes.

    ``mask`` is ``(h, w)`` of the content's size, None for everywhere.
    """

    picture: Tensor
    weight: float = 1.0
    mask: Tensor | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """What decides how the picture looks, apart from the pictures."""

    style_taps: tuple[str, ...]
    content_taps: tuple[str, ...]
    loss: str = "covariance"
    content: float = 1.0
    variation: float = 1.0
    rgb: float = 1.0
    adam: AdamOptions = field(default_factory=AdamOptions)


@dataclass(frozen=True)
class Iterate:
    """One iteration done.

    ``loss`` is left on the device: reading it waits for the device, so read it seldom.
    """

    scale: int
    scales: int
    iteration: int
    iterations: int
    loss: Tensor
    state: AdamState
    options: AdamOptions
    seconds: float

    @property
    def ends_scale(self) -> bool:
        """Whether this scale is finished."""
        return self.iteration == self.iterations

    @property
    def is_last(self) -> bool:
        """Whether the whole pyramid is finished."""
        return self.ends_scale and self.scale == self.scales

    @property
    def picture(self) -> Tensor:
        """The averaged picture so far, ``(1, 3, h, w)`` in [0, 1]."""
        return self.state.output(self.options).clamp(0, 1)


@dataclass(frozen=True)
class Resume:
    """Where a checkpointed run goes on: after ``iteration`` iterations of scale number ``scale``."""

    scale: int
    iteration: int
    state: AdamState


def harmonise(
    content: Tensor, styles: Sequence[Style], strength: float, *, keep: bool
) -> tuple[Tensor, list[Style]]:
    """Content and styles in one palette: the styles' or, with ``keep``, the content's.

    Gradients move textures readily but colours slowly, and a patch that starts in a wrong colour tends
    to stay in it, so the palette is settled in closed form before the first iteration.
    """
    if keep:
        mean, covariance = colour_statistics(content)
        matched = [match_colours(style.picture, mean, covariance).clamp(0, 1) for style in styles]
        return content, [
            replace(style, picture=picture) for style, picture in zip(styles, matched, strict=True)
        ]
    total = sum(style.weight for style in styles)
    found = [(style.weight / total, colour_statistics(style.picture)) for style in styles]
    mean = torch.stack([share * one for share, (one, _) in found]).sum(0)
    covariance = torch.stack([share * one for share, (_, one) in found]).sum(0)
    return tint(content, mean, covariance, strength), list(styles)


def optimise(
    content: Tensor,
    styles: Sequence[Style],
    evaluator: Evaluator,
    recipe: Recipe,
    scales: Sequence[Scale],
    resume: Resume | None = None,
    *,
    init: Tensor | None = None,
) -> Iterator[Iterate]:
    """Stylise ``content`` ``(1, 3, h, w)``, scale by scale; yields after every iteration.

    The first scale starts from ``init``, of any size, or else from the content.
    Scales are numbered from 1. The generator holds one scale's tensors at a time.
    """
    state = resume.state if resume else None
    for number, scale in enumerate(scales, start=1):
        if resume and number < resume.scale:
            continue
        done = resume.iteration if resume and number == resume.scale else 0
        small = resample(content, scale.height, scale.width).clamp(0, 1)
        if state is None:
            first = small if init is None else resample(init, scale.height, scale.width).clamp(0, 1)
            state = AdamState.start(first)
        elif done == 0 or state.picture.shape != small.shape:
            state = state.enlarged(scale.height, scale.width, recipe.adam)
        if done >= scale.iterations:
            continue
        objectives = _shifted_objectives(small, styles, evaluator, recipe)
        for iteration in range(done + 1, scale.iterations + 1):
            began = monotonic()
            gradient = _shifted_gradient(evaluator, objectives, state.picture, iteration)
            state.update(gradient.pixels, recipe.adam)
            yield Iterate(
                number, len(scales), iteration, scale.iterations, gradient.loss, state, recipe.adam,
                monotonic() - began,
            )  # fmt: skip


def _shifted_objectives(
    content: Tensor, styles: Sequence[Style], evaluator: Evaluator, recipe: Recipe
) -> list[Objective]:
    """One objective per shift: for the content without its first rows and columns."""
    size = content.shape[-2:]
    fitted = [
        style if style.mask is None else replace(style, mask=mask_at(style.mask, *size))
        for style in styles
    ]
    targets = _targets(content, styles, evaluator, recipe)
    found = []
    for down, across in SHIFTS if min(size) >= SHIFTED_FROM else SHIFTS[:1]:
        cut = [
            style if style.mask is None else replace(style, mask=style.mask[down:, across:])
            for style in fitted
        ]
        crop = content[..., down:, across:]
        found.append(build_objective(crop, cut, evaluator, recipe, targets))
    return found


def _shifted_gradient(
    evaluator: Evaluator, objectives: Sequence[Objective], picture: Tensor, iteration: int
) -> Gradient:
    """The gradient at this iteration's shift; rows and columns that were left out have none."""
    number = iteration % len(objectives)
    down, across = SHIFTS[number]
    found = evaluator(picture[..., down:, across:], objectives[number])
    return Gradient(found.loss, F.pad(found.pixels, (across, 0, down, 0)))


def _targets(content: Tensor, styles: Sequence[Style], evaluator: Evaluator, recipe: Recipe) -> Targets:
    taps, long = (RGB, *recipe.style_taps), max(content.shape[-2:])
    return [style_moments(style, evaluator, taps, long) for style in styles]


def build_objective(
    content: Tensor,
    styles: Sequence[Style],
    evaluator: Evaluator,
    recipe: Recipe,
    targets: Targets | None = None,
) -> Objective:
    """The objective for a content ``(1, 3, h, w)``; ``targets`` are the styles' moments if known."""
    terms: list[Term] = []
    total = sum(style.weight for style in styles)
    taps = (RGB, *recipe.style_taps)
    targets = targets or _targets(content, styles, evaluator, recipe)
    groups: dict[int | None, list[int]] = {}
    for index, style in enumerate(styles):
        groups.setdefault(None if style.mask is None else index, []).append(index)
    for key, members in groups.items():
        for tap in taps:
            share = recipe.rgb if tap == RGB else 1 / len(recipe.style_taps)
            chosen = [(styles[i].weight / total, targets[i][tap]) for i in members]
            mask = None if key is None else styles[key].mask
            if mask is not None:
                stride = evaluator.extractor.taps[tap].stride
                mask = mask_at(mask, content.shape[-2] // stride, content.shape[-1] // stride)
            terms.append(StyleTerm(tap, share, chosen, STYLE_LOSSES[recipe.loss], mask))
    kept = evaluator.maps(content, frozenset(recipe.content_taps))
    share = recipe.content / len(recipe.content_taps)
    terms.extend(ContentTerm(tap, share, kept[tap]) for tap in recipe.content_taps)
    return Objective(terms, recipe.variation)


def style_moments(
    style: Style, evaluator: Evaluator, taps: Sequence[str], canvas: int
) -> dict[str, Moments]:
    """The style's moments at each tap, seen at the size it has on a canvas of that long edge.

    A style is never enlarged: that would only teach the picture to be blurred.
    """
    height, width = style.picture.shape[-2:]
    share = min(1.0, canvas * style.scale / max(height, width))
    small = resample(style.picture, max(32, round(height * share)), max(32, round(width * share)))
    probe = Objective([StyleTerm(tap, 1.0, (), STYLE_LOSSES["gram"]) for tap in taps])
    found = evaluator.sums(small.clamp(0, 1), probe)
    return {tap: Moments.of(sums) for tap, sums in zip(taps, found, strict=True)}
