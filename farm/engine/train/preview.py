"""Train *farm-preview*, the any-style preview net, against the losses that a print minimises.

Perceptual training after Johnson, Alahi and Fei-Fei (2016), with style and strength drawn anew
for every picture, so that one net serves any style at any strength.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.catalog import procedural
from farm.catalog.cards import ModelCard, Training
from farm.engine.colour_match import match_colours
from farm.engine.extractor import RGB, Extractor
from farm.engine.preview_net import SHAPES, PreviewNet, net_for
from farm.engine.recipe import content_weight
from farm.engine.style_code import CODE_TAPS, StyleCode, encode_style, feature_statistics
from farm.engine.train.data import Recipe, crops, generated, recolour, warp
from farm.engine.train.publish import machine, publish_model
from farm.engine.train.texture import Progress, schedule

CATALOGUE_EDGES = (512, 320, 192)
"""Sides in pixels that the catalogue's styles are looked at with."""

CONTENT_TAP, CONTENT_WEIGHT, VARIATION_WEIGHT = "conv3_2", 0.7, 2.0
"""The content term, and what keeps the result smooth; a little firmer than a print's."""

KNOWN_SHARE = 0.75
"""Share of training pictures that are given a style of the catalogue."""

HELD_OUT = ("astronaut.png", "chelsea.png")
"""Photographs never trained on, so that previews of them show what strangers' pictures will get."""


@dataclass(frozen=True)
class PreviewRecipe:
    """Everything that decides the weights, recorded in the model's card."""

    seed: int = 20261122
    steps: int = 3800
    batch: int = 4
    side: int = 128
    learning_rate: float = 2e-3
    styles_per_generator: int = 50
    crops_per_photograph: int = 40
    source_side: int = 192


@dataclass(frozen=True)
class _Pools:
    contents: Tensor
    styles: StyleCode
    known: int

    def draw(self, count: int, generator: torch.Generator) -> StyleCode:
        """Codes of ``count`` styles; ``KNOWN_SHARE`` of them from the catalogue, at the end."""
        total = len(self.styles.colour_mean)
        other = torch.randint(total - self.known, (count,), generator=generator)
        if not self.known:
            return self.styles[other]
        known = total - 1 - torch.randint(self.known, (count,), generator=generator)
        return self.styles[
            torch.where(torch.rand(count, generator=generator) < KNOWN_SHARE, known, other)
        ]


def train(
    photographs: Sequence[Tensor],
    catalogue: Sequence[Tensor],
    extractor: Extractor,
    recipe: PreviewRecipe,
    report: Callable[[Progress], None],
    workers: int = 2,
) -> PreviewNet:
    """Train on contents and styles made from photographs ``(3, h, w)`` in [0, 1] and generators.

    ``KNOWN_SHARE`` of the pictures get a style of ``catalogue``, ``(3, h, w)``: people try those first.
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    pools = _pools(photographs, catalogue, extractor, recipe, generator, workers)
    net = net_for(extractor)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    optimiser = torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=1e-4)
    recent: list[Tensor] = []
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * schedule(step, recipe.steps)
        chosen = torch.randint(len(pools.contents), (recipe.batch,), generator=generator)
        content = warp(pools.contents[chosen], recipe.side, generator, (0.45, 0.9))
        content = recolour(content, generator, 0.2)
        code = pools.draw(recipe.batch, generator)
        strength = 0.3 + 0.7 * torch.rand(recipe.batch, generator=generator)
        matched = match_colours(content, code.colour_mean, code.colour_covariance).clamp(0, 1)
        with torch.autocast("cpu", torch.bfloat16):
            stylised = net(
                matched.to(memory_format=torch.channels_last), net.modulation(code, strength)
            ).float()
            losses = picture_losses(extractor, stylised, content, code, strength)
            with torch.no_grad():
                before = picture_losses(extractor, matched, content, code, strength)
        # Relative to doing nothing, so that no style is learnt at the expense of the others.
        loss = (losses / (before + 0.3)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        recent.append(loss.detach())
        if (step + 1) % 100 == 0:
            report(Progress(step + 1, recipe.steps, torch.stack(recent).mean().item(), 0.0))
            recent.clear()
    return net.eval().requires_grad_(False)


def _pools(
    photographs: Sequence[Tensor],
    catalogue: Sequence[Tensor],
    extractor: Extractor,
    recipe: PreviewRecipe,
    generator: torch.Generator,
    workers: int,
) -> _Pools:
    per, side = recipe.styles_per_generator, recipe.source_side
    made = generated(
        [
            Recipe(name, recipe.seed + index, side)
            for name in procedural.STYLE_GENERATORS
            for index in range(per)
        ],
        workers,
    )
    scenes = generated([Recipe("scene", recipe.seed + i, side) for i in range(2 * per)], workers)
    seen = crops(photographs, recipe.crops_per_photograph, side, generator)
    styles = torch.cat([made, seen[::3]])
    codes = [
        encode_style(extractor, warp(batch, edge, generator, (0.6, 1.0)))
        for edge in (side, side * 2 // 3)
        for batch in torch.split(styles, 32)
    ]
    known = [
        encode_style(extractor, F.interpolate(style[None], (edge, edge), mode="area"))
        for style in catalogue
        for edge in CATALOGUE_EDGES
    ]
    everything = StyleCode.stack([*codes, *known])
    return _Pools(torch.cat([seen, scenes, made[::6]]), everything, len(known))


def picture_losses(
    extractor: Extractor, stylised: Tensor, content: Tensor, code: StyleCode, strength: Tensor
) -> Tensor:
    """A print's kind of objective for ``n`` pictures at once, ``(n,)``.

    Distances are over the target's energy plus a tenth of the picture's own, which bounds what a
    nearly flat style can ask for; a print needs no such bound, it has one style.
    """
    taps = {*CODE_TAPS, CONTENT_TAP, RGB}
    found = extractor(stylised, taps)
    with torch.no_grad():
        wanted = extractor(content, (CONTENT_TAP,))[CONTENT_TAP]
    total = torch.zeros(len(stylised))
    targets = dict(zip(CODE_TAPS, zip(code.means, code.covariances, strict=True), strict=True))
    for tap in CODE_TAPS:
        mean, covariance = feature_statistics(found[tap])
        total = total + _distance(mean, covariance, *targets[tap]) / len(CODE_TAPS)
    mean, covariance = feature_statistics(stylised)
    total = total + _distance(mean, covariance, code.colour_mean, code.colour_covariance)
    unlike = _unlikeness(found[CONTENT_TAP], wanted)
    total = total + CONTENT_WEIGHT * content_weight(strength) * unlike
    beyond = (stylised - stylised.clamp(0, 1)).square().mean((1, 2, 3))
    down, across = (stylised.diff(dim=dim).square().mean((1, 2, 3)) for dim in (2, 3))
    return total + 50 * beyond + 3 * VARIATION_WEIGHT * (down + across)


def _distance(mean: Tensor, covariance: Tensor, wanted: Tensor, target: Tensor) -> Tensor:
    parts = []
    for found, goal in ((mean, wanted), (covariance.flatten(1), target.flatten(1))):
        energy = goal.square().sum(1) + 0.1 * found.detach().square().sum(1) + 1e-6
        parts.append((found - goal).square().sum(1) / energy)
    return parts[0] + parts[1]


def _unlikeness(found: Tensor, wanted: Tensor) -> Tensor:
    """One minus the correlation of channels, weighted by their deviation in the content."""
    a, b = found.float().flatten(2), wanted.float().flatten(2)
    a, b = a - a.mean(2, keepdim=True), b - b.mean(2, keepdim=True)
    deviation = b.square().mean(2).sqrt()
    scale = ((a.square().mean(2) + 1e-4) * (b.square().mean(2) + 1e-4)).sqrt()
    correlation = (a * b).mean(2) / scale
    return (deviation * (1 - correlation)).sum(1) / (deviation.sum(1) + 1e-8)


def train_and_publish(
    names: Sequence[str],
    photographs: Sequence[Tensor],
    catalogue: Sequence[Tensor],
    extractor: Extractor,
    recipe: PreviewRecipe,
    models: Path,
    report: Callable[[Progress], None],
) -> ModelCard:
    """Train and write ``farm-preview`` into a models folder; returns its card."""
    began, reports = time.monotonic(), []

    def keep(progress: Progress) -> None:
        reports.append(progress)
        report(progress)

    net, shape = train(photographs, catalogue, extractor, recipe, keep), SHAPES["full"]
    last = reports[-5:]
    quality = {"training_loss": round(sum(r.loss for r in last) / len(last), 4)} if last else {}
    return publish_model(
        net, models / "farm-preview", kind="preview", version="1",
        description="Any-style preview net, trained against farm-texture's losses.",
        architecture={
            "extractor": "farm-texture", "widths": list(shape.widths),
            "blocks": shape.blocks, "sketch": shape.sketch,
            "tap_widths": [extractor.taps[tap].channels for tap in CODE_TAPS],
        },
        training=Training(
            command=f"farm models train preview --steps {recipe.steps}", seed=recipe.seed,
            steps=recipe.steps, seconds=round(time.monotonic() - began), machine=machine(),
            data=[
                *names, f"the styles of the catalogue, for {KNOWN_SHARE:.0%} of the pictures",
                f"never: {', '.join(HELD_OUT)}",
                f"{recipe.styles_per_generator} pictures of each style generator",
            ],
        ),
        quality=quality,
    )  # fmt: skip
