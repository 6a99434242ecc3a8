"""The picture over a mesh: who has which rows, and how rows get to those who need them.

Each rank owns a band of rows and needs a hull around it: pixels of others' rows come in before an
iteration, and the gradients that were found there go back after it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from farm.engine.mesh import Mesh, Rows

Strip = tuple[int, Tensor]
"""Top row in the whole picture, and the rows from there on: ``(1, c, n, w)``."""
_STRIP = 256
"""Rows that travel at once where the whole picture is gathered."""


class Halo:
    """The exchange of rows for one way of splitting a picture.

    Args:
        owned: each rank's rows; together all rows, each once. Some may be empty.
        needed: the rows that each rank reads and finds gradients of: any interval, or none.

    Every rank calls ``fetch`` and ``settle`` alike, whatever it owns.

    Raises:
        ValueError: the owned rows are no partition.
    """

    def __init__(self, mesh: Mesh, owned: Sequence[Rows], needed: Sequence[Rows]) -> None:
        if not len(owned) == len(needed) == mesh.size:
            raise ValueError(
                f"{mesh.size} ranks, but {len(owned)} owned and {len(needed)} needed intervals"
            )
        bands = sorted(rows for rows in owned if rows[0] < rows[1])
        edges = [0, *(bottom for _, bottom in bands)]
        if [top for top, _ in bands] != edges[:-1]:
            raise ValueError(f"rows {bands} are no partition of a picture")
        self._mesh, self._owned, self._needed = mesh, tuple(owned), tuple(needed)
        self._like: Tensor | None = None
        free = [self._owned[mesh.rank]]
        for rank, rows in enumerate(needed):
            if rank != mesh.rank:
                free = [part for whole in free for part in _without(whole, rows)]
        top = self._owned[mesh.rank][0]
        self._exclusive = max(free, key=_length, default=(top, top))

    @property
    def exclusive(self) -> Rows:
        """The longest run of own rows that no other rank needs: their gradients are final at once."""
        return self._exclusive

    def fetch(self, own: Tensor) -> Tensor:
        """The needed rows ``(1, c, n, w)``, given the own ones; in one exchange.

        ``own`` itself or a view of it where nothing comes from others.
        """
        rank = self._mesh.rank
        band, needed = self._owned[rank], self._needed[rank]
        self._like = _nothing(own)
        parcels = {
            other: _cut(own, band[0], rows) for other, rows in self._meeting(self._needed, band).items()
        }
        coming = self._meeting(self._owned, needed)
        expected = {other: self._shape(own, rows) for other, rows in coming.items()}
        received = self._mesh.exchange(parcels, expected, own.dtype)
        parts = [(coming[other][0], rows) for other, rows in received.items()]
        if kept := overlap(band, needed):
            parts.append((kept[0], own if kept == band else _cut(own, band[0], kept)))
        return _joined(parts, own)

    def settle(self, pieces: Sequence[Strip]) -> list[Strip]:
        """The gradients of own rows that are not exclusive, summed over all who found some.

        Strips of them from top to bottom, each row once. Each is summed in the order of the ranks, so
        that the same layout gives the same bits.

        Args:
            pieces: this rank's gradients of all that it needs but its exclusive rows, in any order.

        Raises:
            ValueError: a piece has exclusive rows or such that are not needed, or there are neither
                pieces nor pixels fetched before that would tell the shape of what others send.
        """
        rank = self._mesh.rank
        band, needed = self._owned[rank], self._needed[rank]
        for top, piece in pieces:
            rows = (top, top + piece.shape[2])
            if _without(rows, needed) or overlap(rows, self._exclusive):
                raise ValueError(f"rows {rows} are not among {needed} less {self._exclusive}")
        like = pieces[0][1] if pieces else self._like
        if like is None:
            raise ValueError("without pieces, settle works only after fetch")
        going = self._meeting(self._owned, needed)
        coming = self._meeting(self._needed, band)
        parcels = {other: _assembled(pieces, rows, like) for other, rows in going.items()}
        expected = {other: self._shape(like, rows) for other, rows in coming.items()}
        received = self._mesh.exchange(parcels, expected, like.dtype)
        found = {other: [(coming[other][0], strip)] for other, strip in received.items()}
        found[rank] = list(pieces)
        in_order = [strip for _, strips in sorted(found.items()) for strip in strips]
        return [(rows[0], _assembled(in_order, rows, like)) for rows in _without(band, self._exclusive)]

    def _meeting(self, intervals: Sequence[Rows], rows: Rows) -> dict[int, Rows]:
        """What of these rows each other rank has in its interval."""
        shared = {other: overlap(interval, rows) for other, interval in enumerate(intervals)}
        return {other: part for other, part in shared.items() if part and other != self._mesh.rank}

    @staticmethod
    def _shape(like: Tensor, rows: Rows) -> tuple[int, ...]:
        return (*like.shape[:2], _length(rows), like.shape[3])


def gather(mesh: Mesh, own: Tensor, owned: Sequence[Rows]) -> Tensor | None:
    """The whole picture on rank 0, in the machine's memory; None elsewhere. Every rank calls it."""
    if mesh.size == 1:
        return own.cpu()
    whole = None
    for top, strip in collect(mesh, own, owned, _STRIP):
        if whole is None:
            height = max(bottom for _, bottom in owned)
            whole = strip.new_empty(*strip.shape[:2], height, strip.shape[3])
        whole[:, :, top : top + strip.shape[2]] = strip
    return whole


def collect(mesh: Mesh, own: Tensor, owned: Sequence[Rows], rows_per_strip: int) -> Iterator[Strip]:
    """The whole picture from top to bottom on rank 0, strip by strip, never whole.

    Every rank calls and exhausts it; the others yield nothing, they send. Strips are in the machine's
    memory, and may be views of ``own``.
    """
    band = owned[mesh.rank]
    height = max(bottom for _, bottom in owned)
    for top in range(0, height, rows_per_strip):
        rows = (top, min(top + rows_per_strip, height))
        mine = overlap(band, rows)
        if mesh.rank:
            mesh.exchange({0: _cut(own, band[0], mine)} if mine else {}, {}, own.dtype)
            continue
        shared = {other: overlap(interval, rows) for other, interval in enumerate(owned) if other}
        coming = {other: part for other, part in shared.items() if part}
        shapes = {
            other: (*own.shape[:2], _length(part), own.shape[3]) for other, part in coming.items()
        }
        received = mesh.exchange({}, shapes, own.dtype)
        parts = [(coming[other][0], strip) for other, strip in received.items()]
        if mine:
            parts.append((mine[0], _cut(own, band[0], mine)))
        yield top, _joined(parts, own).cpu()


def split_rows(height: int, step: int, speeds: Sequence[float], least: int) -> tuple[Rows, ...]:
    """Bands of ``height`` rows for ranks of these speeds, so that the slowest is done soonest.

    Edges are multiples of ``step``, but for the picture's end. The fastest ranks get bands of at least
    ``least`` rows, as many of them as shorten the largest ``rows / speed``, and the others empty ones;
    a single one takes all rows, however few. Rank numbers go from top to bottom.

    Raises:
        ValueError: no ranks, a speed that is not positive, or no step.
    """
    if not speeds or min(speeds) <= 0 or step < 1:
        raise ValueError(f"bands need positive speeds and a step, not {list(speeds)} and {step}")
    by_speed = sorted(range(len(speeds)), key=lambda rank: (-speeds[rank], rank))
    best: tuple[float, dict[int, int]] = (float("inf"), {})
    for count in range(1, len(speeds) + 1):
        active = sorted(by_speed[:count])
        shares = _shares(height, step, [speeds[rank] for rank in active], least if count > 1 else 0)
        if shares is None:
            break
        time = max(rows / speeds[rank] for rank, rows in zip(active, shares, strict=True))
        if time < best[0]:
            best = time, dict(zip(active, shares, strict=True))
    bands, top = [], 0
    for rank in range(len(speeds)):
        bottom = top + best[1].get(rank, 0)
        bands.append((top, bottom))
        top = bottom
    return tuple(bands)


def _shares(height: int, step: int, speeds: Sequence[float], least: int) -> list[int] | None:
    """Rows for each rank, all of them at least ``least``; None if there are too few.

    Giving step after step to the rank that is done with it first minimises the largest time, since each
    rank's time only grows with its rows. The last rank's last step is cut off by the picture's end.
    """
    steps = -(-height // step)
    cut = [0] * (len(speeds) - 1) + [steps * step - height]
    given = [max(-(-(least + short) // step), min(1, steps)) for short in cut]
    left = steps - sum(given)
    if left < 0:
        return None

    def done(rank: int) -> float:
        return ((given[rank] + 1) * step - cut[rank]) / speeds[rank]

    waiting = [(done(rank), rank) for rank in range(len(speeds))]
    heapq.heapify(waiting)
    for _ in range(left):
        rank = waiting[0][1]
        given[rank] += 1
        heapq.heapreplace(waiting, (done(rank), rank))
    return [count * step - short for count, short in zip(given, cut, strict=True)]


def overlap(first: Rows, second: Rows) -> Rows | None:
    """The rows in both, None if there are none."""
    top, bottom = max(first[0], second[0]), min(first[1], second[1])
    return (top, bottom) if top < bottom else None


def _without(rows: Rows, taken: Rows) -> list[Rows]:
    """What is left of rows: up to two runs."""
    common = overlap(rows, taken)
    rest = [(rows[0], common[0]), (common[1], rows[1])] if common else [rows]
    return [(top, bottom) for top, bottom in rest if top < bottom]


def _length(rows: Rows) -> int:
    return rows[1] - rows[0]


def _cut(strip: Tensor, top: int, rows: Rows) -> Tensor:
    """Some rows of a strip that begins at row ``top``."""
    return strip[:, :, rows[0] - top : rows[1] - top]


def _nothing(like: Tensor) -> Tensor:
    """No rows; no view, which would keep all of them."""
    return like.new_empty(*like.shape[:2], 0, like.shape[3])


def _joined(parts: Sequence[Strip], like: Tensor) -> Tensor:
    """Strips that touch, from top to bottom; the strip itself if there is one."""
    rows = [strip for _, strip in sorted(parts, key=lambda part: part[0])]
    if not rows:
        return _nothing(like)
    return rows[0] if len(rows) == 1 else torch.cat(rows, 2)


def _assembled(strips: Sequence[Strip], rows: Rows, like: Tensor) -> Tensor:
    """The sum of all strips on these rows, in their order; a view if one strip has them all alone."""
    inside = [
        (common, top, strip)
        for top, strip in strips
        if (common := overlap((top, top + strip.shape[2]), rows))
    ]
    if len(inside) == 1 and inside[0][0] == rows:
        return _cut(inside[0][2], inside[0][1], rows)
    total = like.new_zeros(*like.shape[:2], _length(rows), like.shape[3])
    for common, top, strip in inside:
        _cut(total, rows[0], common).add_(_cut(strip, top, common))
    return total
