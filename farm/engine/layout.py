"""Who does what at one scale: bands of the picture, one per device, and the rows each must see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm.engine.frame import MARGIN, Frame
from farm.engine.halo import split_rows
from farm.engine.tiling import Tiling

Rows = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """The split of a picture's rows over the ranks of a mesh.

    ``bands`` are rows of the continued picture, whose features a rank sums; ``owned`` are the rows of
    the picture that it keeps and steps; ``needed`` those that it reads and adds gradients to.
    """

    bands: tuple[Rows, ...]
    owned: tuple[Rows, ...]
    needed: tuple[Rows, ...]

    def band(self, rank: int, frame: Frame) -> Rows:
        """A rank's rows of a frame that may be some rows shorter than the picture."""
        top, bottom = self.bands[rank]
        last = bottom == max(end for _, end in self.bands)
        return min(top, frame.rows), frame.rows if last and top < bottom else min(bottom, frame.rows)


def plan_layout(frames: Sequence[Frame], tiling: Tiling, step: int, speeds: Sequence[float]) -> Layout:
    """Bands as high as the devices are fast, on multiples of ``step`` from the picture's first row.

    Args:
        frames: of the iterations to come; the first leaves nothing out.
        tiling: of the first, whose sight counts.
        speeds: of the ranks, in any unit. Ranks that would get hardly more than a halo get nothing.
    """
    whole = frames[0]
    inside = split_rows(whole.rows - MARGIN, step, speeds, max(2 * tiling.halo, step))
    bands = tuple((top and top + MARGIN, bottom and bottom + MARGIN) for top, bottom in inside)
    owned = tuple(_owned(band, whole) for band in bands)
    needed = tuple(
        _needed(band, own, frames, tiling.sight) for band, own in zip(bands, owned, strict=True)
    )
    return Layout(bands, owned, needed)


def _owned(band: Rows, frame: Frame) -> Rows:
    top, bottom = (min(max(edge - MARGIN, 0), frame.height) for edge in band)
    return (top, frame.height) if band[1] == frame.rows > band[0] else (top, bottom)


def _needed(band: Rows, owned: Rows, frames: Sequence[Frame], halo: int) -> Rows:
    if band[0] >= band[1]:
        return owned
    top, bottom = owned
    for frame in frames:
        low, high = max(0, band[0] - halo), min(frame.rows, band[1] + halo)
        if low < high:
            first, end = frame.hull(low, high)
            top, bottom = min(top, first), max(bottom, end)
    return top, bottom
