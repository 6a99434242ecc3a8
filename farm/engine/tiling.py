"""Cutting a picture into tiles whose sums add up to the whole picture's, exactly.

A tile owns a core and sees a span: the core and a halo of one receptive-field radius, cut off at the
picture's own border. Cores start on multiples of the total stride, so that pools fall alike in tile and
picture; the halo is rounded up to the stride for the same reason.
"""

from __future__ import annotations

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
    """A plan for a picture of ``height × width`` pixels; ``tile`` is the core's side."""

    height: int
    width: int
    tile: int
    halo: int

    def __iter__(self) -> Iterator[Tile]:
        for top in range(0, self.height, self.tile):
            for left in range(0, self.width, self.tile):
                yield self._tile(top, left)

    def _tile(self, top: int, left: int) -> Tile:
        bottom, right = min(top + self.tile, self.height), min(left + self.tile, self.width)
        span = Window(
            max(0, top - self.halo),
            min(self.height, bottom + self.halo),
            max(0, left - self.halo),
            min(self.width, right + self.halo),
        )
        return Tile(Window(top, bottom, left, right), span)

    @property
    def single(self) -> bool:
        """Whether one tile holds the whole picture."""
        return self.tile >= self.height and self.tile >= self.width


def plan_tiling(height: int, width: int, tile: int | None, *, radius: int, stride: int) -> Tiling:
    """Tiles of about ``tile`` pixels a side (None: untiled) for a net of that reach and stride.

    Raises:
        ValueError: the tile is smaller than the stride.
    """
    halo = -(-radius // stride) * stride
    if tile is None:
        return Tiling(height, width, max(height, width), halo)
    if tile < stride:
        raise ValueError(f"a tile of {tile} px is smaller than the net's stride of {stride} px")
    return Tiling(height, width, tile // stride * stride, halo)
