"""Sums that come out the same to the last bit, however a picture is cut into tiles and bands.

Numbers added in another order round to another sum, and optimisation amplifies the last bit into a
picture that is seen to differ. So features are summed in blocks on a grid that belongs to the picture
and not to its tiles, every block alike, and block sums are rounded to multiples of a common grain,
which float64 then adds without rounding, in any order (Demmel and Nguyen, "Fast Reproducible
Floating-Point Summation", 2013).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from farm.engine.tiling import TALL, WIDE

_POSITIONS = 1024
"""Most in a block: 16-bit matrix products hand back 16 bits; such roundings average out over many."""
_ROWS = 8
"""Of ones, of which the first row of a product is taken; see ``levels``."""
_AT_ONCE = 2**22
"""Numbers that are worked on at once, in and out."""
_DIGITS = 10
"""Binary digits that the grain lies below what is expected of a feature: sums of 2²⁷ squares are exact
with room for 2⁶ times as much, and beyond that only as good as float64."""

Sides = tuple[int, int]
"""Rows and columns of positions."""


def block_sides(stride: int, grid: Sides = (TALL, WIDE)) -> Sides:
    """A block's sides at a tap of that stride; blocks fill the cells of the grid."""
    columns = max(1, grid[1] // stride)
    return max(1, min(grid[0] // stride, _POSITIONS // columns)), columns


def blocks(sides: Sides, *grids: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Maps ``(h, w, cᵢ)`` of equal ``h`` and ``w`` cut alike into ``(b, n, cᵢ)``: blocks of positions.

    From the upper left corner on; what is left at the right and below makes smaller ones.
    """
    height, width = grids[0].shape[:2]
    channels = max(grid.shape[2] for grid in grids)
    for top, bottom, tall in _runs(height, sides[0]):
        for left, right, wide in _runs(width, sides[1]):
            across = (right - left) // wide
            step = tall * max(1, _AT_ONCE // (across * channels * max(channels, tall * wide)))
            for first in range(top, bottom, step):
                window = slice(first, min(first + step, bottom)), slice(left, right)
                yield tuple(_cut(grid[window], tall, wide) for grid in grids)


def products(a: Tensor, b: Tensor) -> Tensor:
    """``Σ aᵀ b`` of each block, ``(b, n, c)`` and ``(b, n, d)``: ``(b, c, d)`` in their precision."""
    return torch.bmm(a.transpose(1, 2), b)


def levels(features: Tensor) -> Tensor:
    """``Σ f`` of each block, ``(b, c)``; a product, whose bits are the same for any count of blocks."""
    # One row alone would be another routine in float32, which does round by the number of blocks.
    rows = 1 if features.dtype in (torch.bfloat16, torch.float16) else _ROWS
    ones = features.new_ones(features.shape[0], features.shape[1], rows)
    return products(ones, features)[:, 0]


def grain_of(energy: Tensor) -> Tensor:
    """The grain per channel ``(c,)``, a power of two, from the mean of ``f²`` expected there ``(c,)``.

    Its products are the grains of ``Σ f fᵀ``; see ``finer`` for ``Σ f``. Channels that are all but dark
    get a share of the brightest one's, for a picture may light them up.
    """
    wide = energy.double()
    least = wide.amax().clamp_min(1e-12) * 2.0**-16
    return torch.exp2(torch.ceil(torch.log2(wide.maximum(least)) / 2) - _DIGITS)


def finer(grain: Tensor) -> Tensor:
    """The grain of ``Σ f``: as much below it as that of ``Σ f²`` is below that."""
    return grain * 2.0**-_DIGITS


def add_exactly(total: Tensor, parts: Tensor, grain: Tensor | float) -> None:
    """Add block sums ``(b, …)`` to a float64 ``total`` ``(…)``, each rounded to multiples of the grain.

    Sums of float64 features are added as they are: they are there to be compared, not to be repeated.
    """
    if parts.dtype == torch.float64:
        total += parts.sum(0)
        return
    # Beside a number this large, float64 has no digits below the grain.
    large = grain * 1.5 * 2.0**52
    total += parts.double().add_(large).sub_(large).sum(0)


def _runs(length: int, step: int) -> Iterator[tuple[int, int, int]]:
    """Begin, end and step of the part that whole steps fill, and of the rest."""
    whole = length // step * step
    if whole:
        yield 0, whole, step
    if whole < length:
        yield whole, length, length - whole


def _cut(part: Tensor, tall: int, wide: int) -> Tensor:
    """``(down · tall, across · wide, c)`` as ``(down · across, tall · wide, c)``, copied together."""
    down, across, channels = part.shape[0] // tall, part.shape[1] // wide, part.shape[2]
    cells = part.reshape(down, tall, across, wide, channels).transpose(1, 2)
    # Copied even where a view would do: a view's strides and alignment are the tile's, and matrix
    # products may round by them.
    alone = cells.clone(memory_format=torch.contiguous_format)
    return alone.view(down * across, tall * wide, channels)
