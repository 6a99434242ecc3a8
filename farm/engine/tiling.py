"""Cutting a picture into tiles whose sums add up to the whole picture's, exactly.

A tile owns a core and sees a span: the core and a halo of one receptive-field radius, cut off at the
picture's own border. Cores start on multiples of the total stride, so that pools fall alike in tile and
picture; the halo is rounded up to the stride for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Rows and columns ``[top, bottom) × [left, right)`` in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index the last two dimensions of a picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def coarsened(self, stride: int, rows: int, columns: int) -> Window:
        """The window in steps of a feature map of ``rows × columns`` at ``stride`` pixels a step.

        A window that reaches the picture's end takes what pooling left there.
        """
        return Window(
            self.top // stride,
            min(rows, self.bottom // stride),
            self.left // stride,
            min(columns, self.right // stride),
        )

    def intersection(self, other: Window) -> Window:
        """What both hold; of no size where they are apart."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        return Window(
            top, max(top, min(self.bottom, other.bottom)), left, max(left, min(self.right, other.right))
        )

    def within(self, outer: Window) -> Window:
        """This window in the coordinates of ``outer``, which contains it."""
        return Window(
            self.top - outer.top,
            self.bottom - outer.top,
            self.left - outer.left,
            self.right - outer.left,
        )


@dataclass(frozen=True)
class Tile:
    """What a tile owns (core) and what it must see for that (span)."""

    core: Window
    span: Window


@dataclass(frozen=True)
class Tiling:
    """A plan for rows ``[top, bottom)`` of a picture of ``height × width`` pixels.

    ``tall`` and ``wide`` are a core's sides; tiles see each other's rows, and those beyond the band.
    """

    height: int
    width: int
    tall: int
    wide: int
    halo: int
    top: int
    bottom: int

    def __iter__(self) -> Iterator[Tile]:
        for row in self.rows:
            yield from row

    @property
    def rows(self) -> Iterator[list[Tile]]:
        """The tiles, row by row."""
        for top in range(self.top, self.bottom, self.tall):
            yield [self._tile(top, left) for left in range(0, self.width, self.wide)]

    def _tile(self, top: int, left: int) -> Tile:
        bottom, right = min(top + self.tall, self.bottom), min(left + self.wide, self.width)
        span = Window(
            max(0, top - self.halo),
            min(self.height, bottom + self.halo),
            max(0, left - self.halo),
            min(self.width, right + self.halo),
        )
        return Tile(Window(top, bottom, left, right), span)


def plan_tiling(  # a plan of several numbers
    height: int, width: int, tile: int | None, *, radius: int, stride: int,
    band: tuple[int, int] | None = None,
) -> Tiling:  # fmt: skip
    """Tiles of about ``tile`` pixels a side (None: untiled) for a net of that reach and stride.

    ``band`` is the rows to be covered, from one multiple of the stride to another or to the picture's
    end; all if absent.

    Raises:
        ValueError: the tile is smaller than the stride.
    """
    halo = -(-radius // stride) * stride
    top, bottom = band or (0, height)
    if tile is not None and tile < stride:
        raise ValueError(f"a tile of {tile} px is smaller than the net's stride of {stride} px")
    tall, wide = (side(length, tile, stride) for length in (bottom - top, width))
    return Tiling(height, width, tall, wide, halo, top, bottom)


def side(length: int, tile: int | None, stride: int) -> int:
    """A core's side, a multiple of the stride, for so many pixels: about ``tile``, at most 1¼ of it.

    All cores are alike, for a narrow one at the end would see mostly halo: pictures of 1024 px have
    1056 with the reflection around them.
    """
    count = 1 if tile is None else max(1, math.ceil(length / tile - 0.25))
    return max(stride, math.ceil(length / count / stride) * stride)
