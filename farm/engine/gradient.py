"""The exact gradient of the objective, in one pass or tile by tile in two.

Pass 1 adds up every tile's sums without grad; the loss and its cotangents with respect to those
sums are taken once; pass 2 runs each tile with grad against ``⟨cotangent, tile sums⟩`` and adds
its pixel gradient, halo included, into the whole. Because sums are additive and the chain rule is
linear this is the untiled gradient, to rounding (Galerne et al., "Scaling Painting Style Transfer",
2024, who crop where this adds and so need twice the halo).

The picture is first continued beyond its border by reflection: zero padding would otherwise give border
features statistics of their own, and the optimiser pays for that with noise along the edges. Sums
are taken over the picture proper only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.extractor import Extractor
from farm.engine.losses import total_variation
from farm.engine.moments import Sums
from farm.engine.objective import Objective
from farm.engine.tiling import Tile, Tiling, Window, plan_tiling

MARGIN = 16
"""Pixels of reflection around the picture; a multiple of every stride up to 16."""


@dataclass(frozen=True)
class Gradient:
    """Loss as a 0-d tensor and its gradient, of the picture's shape."""

    loss: Tensor
    pixels: Tensor


def reflected(picture: Tensor, margin: int = MARGIN) -> Tensor:
    """``(1, 3, h, w)`` continued by reflection; narrow pictures are reflected as often as it takes."""
    left = margin
    while left > 0:
        step = min(left, picture.shape[-1] - 1, picture.shape[-2] - 1)
        if step < 1:
            return F.pad(picture, (left,) * 4, mode="replicate")
        picture = F.pad(picture, (step,) * 4, mode="reflect")
        left -= step
    return picture


@dataclass(frozen=True)
class Evaluator:
    """Computes the objective and its gradient for pictures of one size.

    Args:
        tile: side of a tile's core in pixels, None for untiled.
        precision: of the convolutions; sums, losses and pixels stay float32 (float64 if given so).
    """

    extractor: Extractor
    tile: int | None = None
    precision: torch.dtype = torch.float32

    def features(self, picture: Tensor, taps: frozenset[str]) -> dict[str, Tensor]:
        """Features of ``(1, 3, h, w)`` in the chosen precision."""
        found: dict[str, Tensor]
        if self.precision in (torch.float32, torch.float64):
            found = self.extractor(picture, taps)
        else:
            with torch.autocast(picture.device.type, self.precision):
                found = self.extractor(picture, taps)
        return found

    def __call__(self, picture: Tensor, objective: Objective) -> Gradient:
        """Loss and gradient at ``(1, 3, h, w)`` in [0, 1]."""
        leaf = picture.detach().requires_grad_()
        padded = reflected(leaf)
        if self._tiling(padded, objective.taps).single:
            loss = objective.loss(self._whole(padded, objective))
            loss = loss + objective.variation * total_variation(leaf)
            (pixels,) = torch.autograd.grad(loss, leaf)
            return Gradient(loss.detach(), pixels)
        loss, outer = self._tiled(padded.detach(), objective)
        (pixels,) = torch.autograd.grad(padded, leaf, outer)
        smooth = objective.variation * total_variation(leaf)
        (rough,) = torch.autograd.grad(smooth, leaf)
        return Gradient(loss + smooth.detach(), pixels + rough)

    def sums(self, picture: Tensor, objective: Objective) -> list[Sums]:
        """The objective's sums over the whole picture, without grad."""
        with torch.no_grad():
            padded = reflected(picture)
            if self._tiling(padded, objective.taps).single:
                return self._whole(padded, objective)
            return self._added(padded, objective)

    @torch.no_grad()
    def maps(self, picture: Tensor, taps: frozenset[str]) -> dict[str, Tensor]:
        """The feature maps of the picture proper, ``(c, h // s, w // s)``, put together from tiles."""
        padded = reflected(picture)
        height, width = picture.shape[-2:]
        whole: dict[str, Tensor] = {}
        for tile in self._tiling(padded, taps):
            part = padded[(..., *tile.span.slices)]
            for name, (features, place) in self._owned(part, tile, taps, padded.shape).items():
                if name not in whole:
                    stride = self.extractor.taps[name].stride
                    shape = (features.shape[1], height // stride, width // stride)
                    whole[name] = features.new_empty(shape)
                whole[name][(slice(None), *place.slices)] = features[0]
        return whole

    def _tiling(self, padded: Tensor, taps: frozenset[str]) -> Tiling:
        known = [self.extractor.taps[name] for name in taps]
        return plan_tiling(
            padded.shape[-2],
            padded.shape[-1],
            self.tile,
            radius=max(tap.radius for tap in known),
            stride=max(tap.stride for tap in known),
        )

    def _whole(self, padded: Tensor, objective: Objective) -> list[Sums]:
        everything = Window(0, padded.shape[-2], 0, padded.shape[-1])
        return self._tile_sums(padded, Tile(everything, everything), objective, padded.shape)

    def _added(self, padded: Tensor, objective: Objective) -> list[Sums]:
        total: list[Sums] | None = None
        for tile in self._tiling(padded, objective.taps):
            found = self._tile_sums(padded[(..., *tile.span.slices)], tile, objective, padded.shape)
            total = found if total is None else [_add(a, b) for a, b in zip(total, found, strict=True)]
        assert total is not None
        return total

    def _tiled(self, padded: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            total = self._added(padded, objective)
        leaves = [tuple(value.detach().requires_grad_() for value in sums) for sums in total]
        loss = objective.loss(leaves)
        flat = [value for sums in leaves for value in sums]
        cotangents = torch.autograd.grad(loss, flat, allow_unused=True)
        outer = torch.zeros_like(padded)
        for tile in self._tiling(padded, objective.taps):
            window = (..., *tile.span.slices)
            part = padded[window].clone().requires_grad_()
            found = self._tile_sums(part, tile, objective, padded.shape)
            values = [value for sums in found for value in sums]
            inner = torch.stack(
                [
                    (cotangent * value).sum()
                    for cotangent, value in zip(cotangents, values, strict=True)
                    if cotangent is not None and value.requires_grad
                ]
            ).sum()
            (pixels,) = torch.autograd.grad(inner, part)
            outer[window] += pixels
        return loss.detach(), outer

    def _tile_sums(
        self, part: Tensor, tile: Tile, objective: Objective, shape: torch.Size
    ) -> list[Sums]:
        owned = self._owned(part, tile, objective.taps, shape)
        return objective.sums(
            {name: features for name, (features, _) in owned.items()},
            {name: place for name, (_, place) in owned.items()},
        )

    def _owned(
        self, part: Tensor, tile: Tile, taps: frozenset[str], shape: torch.Size
    ) -> dict[str, tuple[Tensor, Window]]:
        """Per tap, features of the tile's core within the picture proper, and their place there.

        ``part`` holds the pixels of the tile's span; ``shape`` is the padded picture's.
        """
        height, width = shape[-2:]
        proper = Window(MARGIN, height - MARGIN, MARGIN, width - MARGIN)
        core = _intersection(tile.core, proper)
        owned = {}
        for name, features in self.features(part, taps).items():
            stride = self.extractor.taps[name].stride
            rows, columns = height // stride, width // stride
            inside = core.coarsened(stride, rows, columns)
            seen = tile.span.coarsened(stride, rows, columns)
            local = inside.within(seen)
            place = inside.within(proper.coarsened(stride, rows, columns))
            owned[name] = features[(..., *local.slices)], place
        return owned


def _add(a: Sums, b: Sums) -> Sums:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _intersection(a: Window, b: Window) -> Window:
    top, left = max(a.top, b.top), max(a.left, b.left)
    return Window(top, max(top, min(a.bottom, b.bottom)), left, max(left, min(a.right, b.right)))
