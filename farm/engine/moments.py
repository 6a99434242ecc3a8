"""Additive spatial sums of features, and what style losses need from them.

Everything here is a sum over positions, so it can be taken tile by tile or device by device and
added; that is what makes the tiled gradient exact. Features come as ``(n, c)``: a row per position.

Each kind of sums comes with its adjoint: from ``∂L/∂sums`` to ``∂L/∂features``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.blocks import add_exactly, blocks, finer, grain_of, levels, products
from farm.engine.patch import Patch

Sums = tuple[Tensor, ...]
"""Additive sums of one term, each of fixed shape whatever the window."""

_LOW = (torch.bfloat16, torch.float16)
_MASK_GRAIN = 2.0**-24
_ENERGY = 4.0
"""Mean square of features where no target tells it."""


def accumulator(features: Tensor) -> Tensor:
    """Features in the precision that sums are taken in: float32, or float64 where given."""
    return features if features.dtype == torch.float64 else features.float()


def style_sums(patch: Patch, weight: Tensor | None = None, energy: Tensor | None = None) -> Sums:
    """``(count, Σ w f, Σ w f fᵀ)`` of a window's features: ``()``, ``(c,)``, ``(c, c)`` in float64.

    Args:
        weight: a mask ``(h, w)`` of the window's positions, 1 everywhere if absent.
        energy: mean of ``f²`` per channel ``(c,)`` that is expected; it sets how finely sums are kept.
    """
    grid, grain = patch.grid, _grain(energy, patch)
    count, first, second = _zeros(patch, 0), _zeros(patch, 1), _zeros(patch, 2)
    if weight is None:
        count += float(grid.shape[0] * grid.shape[1])
        for (features,) in blocks(patch.sides, grid):
            add_exactly(first, levels(features), finer(grain))
            add_exactly(second, products(features, features), torch.outer(grain, grain))
        return count, first, second
    for features, mask in blocks(patch.sides, grid, weight[..., None]):
        inside = features * mask.to(features.dtype)
        add_exactly(count, levels(mask)[:, 0], _MASK_GRAIN)
        add_exactly(first, levels(inside), finer(grain))
        add_exactly(second, products(inside, features), torch.outer(grain, grain))
    return count, first, second


@dataclass(frozen=True)
class Slopes:
    """``∂L/∂f = w (b + A f)`` at a tap: ``b`` ``(c,)`` and ``A`` ``(c, c)`` in the map's precision."""

    vector: Tensor
    matrix: Tensor


def style_slopes(sums: Sums, cotangents: Sums, kind: torch.dtype) -> Slopes:
    """What cotangents of style sums mean for features: ``b`` is theirs, and ``A = C + Cᵀ``.

    Where ``A`` must be rounded to 16 bits, ``b`` takes up the difference at the features' mean, so that
    what is left of the rounding multiplies deviations and not levels.
    """
    count, first, _ = sums
    _, vector, matrix = cotangents
    matrix = matrix + matrix.T
    rounded = matrix.to(kind)
    if kind in _LOW:
        vector = vector + (matrix - rounded.float()) @ (first / count.clamp_min(1e-6))
    return Slopes(vector.to(kind), rounded)


def add_style_gradient(patch: Patch, gradient: Patch, weight: Tensor | None, slopes: Slopes) -> None:
    """Add ``w (b + A f)`` at every position of the window to ``gradient``, in place."""
    if weight is None and patch.wide and gradient.wide:
        edges = gradient.edges
        gradient.rows.addmm_(patch.rows, slopes.matrix).add_(slopes.vector)
        gradient.put_edges(edges)
        return
    pulled = torch.addmm(slopes.vector, patch.flat, slopes.matrix)
    gradient.add(pulled if weight is None else pulled * weight.to(pulled.dtype)[:, None])


@dataclass(frozen=True)
class Moments:
    """Mean ``(c,)`` and second raw moment per position ``(c, c)`` of features."""

    mean: Tensor
    second: Tensor

    @classmethod
    def of(cls, sums: Sums) -> Moments:
        """The moments of sums that were added up over the whole picture."""
        count, first, second = sums
        count = count.clamp_min(1e-6)
        return cls(first / count, second / count)

    @property
    def covariance(self) -> Tensor:
        """``E[f fᵀ] − E[f] E[f]ᵀ``, ``(c, c)``."""
        return self.second - torch.outer(self.mean, self.mean)


def level_sums(patch: Patch) -> Sums:
    """``(count, Σc, Σc²)`` per channel of the content's features in a window; float64."""
    grid, grain = patch.grid, _grain(None, patch)
    count, level, square = _zeros(patch, 0), _zeros(patch, 1), _zeros(patch, 1)
    count += float(grid.shape[0] * grid.shape[1])
    for (features,) in blocks(patch.sides, grid):
        wide = accumulator(features)
        add_exactly(level, levels(wide), finer(grain))
        add_exactly(square, levels(wide.square()), grain.square())
    return count, level, square


def content_sums(patch: Patch, target: Tensor, energy: Tensor | None = None) -> Sums:
    """``(Σg, Σg², Σgc)`` per channel of features and the content's ``(h, w, c)`` there; float64."""
    grain = _grain(energy, patch)
    level, square, cross = (_zeros(patch, 1) for _ in range(3))
    for features, content in blocks(patch.sides, patch.grid, target):
        picture, wanted = accumulator(features), accumulator(content)
        add_exactly(level, levels(picture), finer(grain))
        add_exactly(square, levels(picture.square()), grain.square())
        add_exactly(cross, levels(picture * wanted), grain.square())
    return level, square, cross


def content_pull(features: Tensor, target: Tensor, cotangents: Sums) -> Tensor:
    """``∂/∂g ⟨cotangents, content sums⟩ = a + 2 b g + d c``, of the features' shape and precision."""
    level, square, cross = cotangents
    pulled = torch.addcmul(level, accumulator(features), 2 * square)
    return pulled.addcmul_(accumulator(target), cross).to(features.dtype)


def add_sums(total: Sequence[Sums], part: Sequence[Sums]) -> None:
    """Add the sums of a window to a total, in place.

    One total that was there before the first tile: small tensors that outlive each tile would lie
    scattered among its large ones, and memory grow with the number of tiles.
    """
    for whole, found in zip(total, part, strict=True):
        for value, more in zip(whole, found, strict=True):
            value.add_(more)


def _grain(energy: Tensor | None, patch: Patch) -> Tensor:
    """Per channel; see ``grain_of``."""
    if energy is None:
        energy = patch.grid.new_full((patch.channels,), _ENERGY, dtype=torch.float64)
    return grain_of(energy)


def _zeros(patch: Patch, dimensions: int) -> Tensor:
    return patch.grid.new_zeros((patch.channels,) * dimensions, dtype=torch.float64)
