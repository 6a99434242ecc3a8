"""Cutting a picture into tiles whose sums add up to the whole picture's, exactly.

A tile owns a core and sees a span: the core and a halo around, cut off at the picture's own border. One
receptive-field radius is enough for its features, and for its gradients if halos are added to the
neighbours' cores; gradients that no other tile adds to take two. Cores start on multiples of the total
stride, so that pools fall alike in tile and picture; halos are rounded up to it for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

TALL, WIDE = 128, 256
"""Pixels of the cells that sums are taken in; tiles whose cores end on this grid give the same bits."""


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

    @property
    def pixels(self) -> int:
        """How many it holds."""
        return (self.bottom - self.top) * (self.right - self.left)

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
    """What a tile owns, and what it must see for that.

    Args:
        core: pixels that the tile owns: it sums their features.
        near: pixels that those features are made of.
        reach: pixels whose features it pulls gradients from.
        span: pixels that it sees for that.
    """

    core: Window
    near: Window
    reach: Window
    span: Window


@dataclass(frozen=True)
class Tiling:
    """A plan for rows ``[top, bottom)`` of a picture of ``height × width`` pixels.

    ``down`` and ``across`` are where cores begin and the last ones end. Where gradients are ``added``,
    a tile has those of its halo too and adds them to its neighbours'; else it computes its own pixels'
    whole, and sees twice as far for that.
    """

    height: int
    width: int
    down: tuple[int, ...]
    across: tuple[int, ...]
    halo: int
    added: bool = True

    def __iter__(self) -> Iterator[Tile]:
        for row in self.rows:
            yield from row

    @property
    def rows(self) -> Iterator[list[Tile]]:
        """The tiles, row by row."""
        for top, bottom in pairwise(self.down):
            cores = (Window(top, bottom, left, right) for left, right in pairwise(self.across))
            yield [self._tile(core) for core in cores]

    @property
    def sight(self) -> int:
        """Pixels that a tile sees around its core."""
        return self.halo if self.added else 2 * self.halo

    def _tile(self, core: Window) -> Tile:
        near = self._around(core, self.halo)
        reach = core if self.added else near
        return Tile(core, near, reach, self._around(core, self.sight))

    def _around(self, core: Window, by: int) -> Window:
        return Window(
            max(0, core.top - by), min(self.height, core.bottom + by),
            max(0, core.left - by), min(self.width, core.right + by),
        )  # fmt: skip


def plan_tiling(  # noqa: PLR0913  # a plan of several numbers
    height: int, width: int, tile: int | None, *, radius: int, stride: int,
    band: tuple[int, int] | None = None, grid: tuple[int, int] | None = None, margin: int = 0,
    added: bool = True,
) -> Tiling:  # fmt: skip
    """Tiles of about ``tile`` pixels a side (None: untiled) for a net of that reach and stride.

    Args:
        band: the rows to be covered, from one multiple of the stride to another or to the picture's
            end; all if absent.
        grid: rows and columns that cores end on multiples of, where tiles are not smaller than that.
        margin: pixels at the picture's edges that are not counted: cores there are larger by as much.

    Raises:
        ValueError: the tile is smaller than the stride.
    """
    halo = -(-radius // stride) * stride
    top, bottom = band or (0, height)
    if tile is not None and tile < stride:
        raise ValueError(f"a tile of {tile} px is smaller than the net's stride of {stride} px")
    steps = grid or (stride, stride)
    down = _edges(top, bottom, tile, stride, steps[0], margin)
    across = _edges(0, width, tile, stride, steps[1], margin)
    return Tiling(height, width, down, across, halo, added)


def side(length: int, tile: int | None, stride: int, step: int | None = None) -> int:
    """A core's side for so many pixels: about ``tile``, at most 1¼ of it.

    A multiple of ``step`` if the tile is not smaller than that, else of the stride. Otherwise all cores
    are alike, for a narrow one at the end would see mostly halo.
    """
    count = 1 if tile is None else max(1, math.ceil(length / tile - 0.25))
    unit = step if step and (tile is None or tile >= step) else stride
    wanted = math.ceil(length / count / unit) * unit
    return wanted if tile is None else max(unit, min(wanted, int(1.25 * tile) // unit * unit))


def _edges(
    start: int, end: int, tile: int | None, stride: int, step: int, margin: int
) -> tuple[int, ...]:
    """Where cores begin, and the end; none for an empty band."""
    if start >= end:
        return ()
    first = start or margin
    inside = range(first, end, side(max(1, end - first - margin), tile, stride, step))
    # What the reflection beyond the last pixels adds must fall into the core that owns those.
    return (start, *(edge for edge in inside[1:] if edge < end - 2 * margin), end)
