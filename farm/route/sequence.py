"""Frames over pools: those that give the cheapest frames first, until the deadline is met.

The frames of a shot can be made apart, so they are shared out between pools. A frame's price on a way
is that of its expected time there, losses to preemption and its part of the start-ups included. As
frames are paid for and not workers, that greedy choice is the cheapest of all; a last chunk that is not
full pays a little more for its start-up.

Frames go in chunks, each a task of its own: as many as make the start-up a small share of it, but no
more than leave a chunk for every worker. Where a frame ends is as good as a checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from farm.errors import Refused
from farm.route.board import Board, Floats, Ints
from farm.route.footprint import Footprint
from farm.route.policy import Wish, admits
from farm.route.refuse import clock
from farm.route.ways import Ways, weigh
from farm.spec.words import money

START_SHARE = 0.05
"""Of a chunk's time, what its start-up may take."""
CHUNK_SECONDS = 300.0
"""A chunk is at least so long, where that leaves enough of them: each is claimed, fetched, recorded."""
_HALVINGS = 40


@dataclass(frozen=True)
class Share:
    """What one way does: so many workers, frames of them all together, and frames of a chunk."""

    way: int
    workers: int
    frames: int
    chunk: int


@dataclass(frozen=True)
class Split:
    """The shares of all ways, cheapest frames first, and what they come to.

    ``expected_usd`` is the mean, ``p90_usd`` and ``p90_seconds`` are what nine of ten runs stay under.
    """

    shares: tuple[Share, ...]
    expected_usd: float
    p90_usd: float
    p90_seconds: float


@dataclass(frozen=True, eq=False)
class _Rates:
    """Of each way, (w,): seconds and USD of a frame, its chunk, and seconds before the first frame."""

    seconds: Floats
    slow: Floats
    usd: Floats
    factor: Floats
    chunk: Ints
    start: Floats


def split(work: Footprint, board: Board, wish: Wish, now: float, free: Ints | None = None) -> Split:
    """Share the ``units`` of ``work`` out over the pools.

    With a deadline: the cheapest that meets it. With a budget alone: the soonest within it. Else: the
    pool with the cheapest frames alone, with as many workers as it has chunks for.

    Args:
        work: frames of ``units``.
        board: the pools.
        wish: of the whole job.
        now: epoch seconds.
        free: accelerators that may be taken in each pool, (pools,); None: all of them.

    Raises:
        Refused: no pool can take a frame, or the deadline or budget cannot be met; the sentence says
            what could.
    """
    ways = weigh(replace(work, units=1, output_gigabytes=work.output_gigabytes / work.units), board)
    places = np.array([pool.count for pool in board.pools]) if free is None else free
    usable = admits(ways, wish) & (ways.places <= places[ways.pool])
    if not usable.any():
        raise Refused(
            f"routing: no pool can take frames of {work.width}×{work.height}; "
            "make the output smaller or add a pool."
        )
    rates = _rates(ways, work.units, places)
    order = np.flatnonzero(usable)[np.argsort(rates.usd[usable], kind="stable")]
    plan = _Filler(work.units, rates, ways, order, places)
    if wish.due is not None:
        return _in_time(plan, wish, now)
    if wish.budget_usd is not None:
        return _within(plan, wish.budget_usd)
    return plan.cheapest()


def chunk_of(frame: float, start: float, frames: int, workers: int) -> int:
    """Frames of a chunk.

    Args:
        frame: seconds that one takes.
        start: seconds from claiming a chunk to its first frame.
        frames: of the whole job.
        workers: that are to have one each at least.
    """
    wanted = max(start / START_SHARE, CHUNK_SECONDS) / max(frame, 1e-9)
    return max(1, min(math.ceil(wanted), frames // max(1, workers)))


@dataclass(frozen=True, eq=False)
class _Filler:
    frames: int
    rates: _Rates
    ways: Ways
    order: Ints
    places: Ints

    def fill(self, seconds: float) -> Split | None:
        """The cheapest shares that are done within so many seconds; None where there are none."""
        left, shares, room = self.frames, [], self.places.copy()
        for way in self.order.tolist():
            each = int((seconds - self.rates.start[way]) / self.rates.slow[way] + 1e-9)
            pool, needs = self.ways.pool[way], int(self.ways.places[way])
            workers = min(int(room[pool]) // needs, -(-left // each)) if each > 0 else 0
            if workers <= 0:
                continue
            frames = min(left, workers * each)
            shares.append(self._share(way, workers, frames))
            room[pool] -= workers * needs
            left -= frames
            if not left:
                return self.total(shares)
        return None

    def cheapest(self) -> Split:
        """The way with the cheapest frames, with a worker for each chunk as far as there are places."""
        way = int(self.order[0])
        most = int(self.places[self.ways.pool[way]]) // int(self.ways.places[way])
        workers = max(1, min(most, -(-self.frames // int(self.rates.chunk[way]))))
        return self.total([self._share(way, workers, self.frames)])

    def soonest(self) -> float:
        """The least seconds in which all pools together do it, to a thousandth."""
        low, high = 0.0, float((self.rates.start + self.frames * self.rates.slow)[self.order].min())
        while high - low > 1e-3 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if self.fill(middle) else (middle, high)
        return high

    def total(self, shares: list[Share]) -> Split:
        """What shares come to."""
        mean = p90 = longest = 0.0
        for share in shares:
            usd = share.frames * float(self.rates.usd[share.way])
            mean += usd
            p90 += usd * float(self.rates.factor[share.way])
            most = -(-share.frames // share.workers)
            longest = max(
                longest, float(self.rates.start[share.way] + most * self.rates.slow[share.way])
            )
        return Split(tuple(shares), mean, p90, longest)

    def _share(self, way: int, workers: int, frames: int) -> Share:
        chunk = min(int(self.rates.chunk[way]), max(1, frames // workers))
        return Share(way, workers, frames, chunk)


def _rates(ways: Ways, frames: int, places: Ints) -> _Rates:
    """Start-ups are paid once a chunk; a machine that is not up boots once."""
    board = ways.board
    each = ways.expected_seconds - ways.start_seconds
    workers = places[ways.pool] // ways.places
    chunk = np.array([
        chunk_of(frame, start, frames, count)
        for frame, start, count in zip(each, board.startup, workers, strict=True)
    ])  # fmt: skip
    seconds = each + board.startup / chunk
    usd = ways.expected_usd - board.price * (ways.expected_seconds - seconds)
    known = ways.p90_seconds / np.maximum(ways.p50_seconds, 1e-9)
    return _Rates(seconds, seconds * known, usd, known, chunk, ways.start_seconds - board.startup)


def _in_time(plan: _Filler, wish: Wish, now: float) -> Split:
    assert wish.due is not None
    found = plan.fill(wish.due - now)
    if found is None:
        soonest = plan.soonest()
        best = plan.fill(soonest)
        price = f" for up to {money(best.p90_usd)}" if best else ""
        raise Refused(
            f"routing.deadline: {clock(wish.due)} is too early for {plan.frames} frames; the soonest"
            f" is {clock(now + soonest)}{price}, so move it there or send fewer frames.",
            field="routing.deadline",
        )
    if wish.budget_usd is not None and found.p90_usd > wish.budget_usd:
        _refuse_budget(plan, wish.budget_usd, found.p90_usd, " in time")
    return found


def _within(plan: _Filler, budget: float) -> Split:
    """The soonest that the budget pays for: time is halved until nothing more is to be had."""
    cheapest = plan.cheapest()
    if cheapest.p90_usd > budget:
        _refuse_budget(plan, budget, cheapest.p90_usd, "")
    best, low, high = cheapest, 0.0, cheapest.p90_seconds
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = plan.fill(middle)
        if found is not None and found.p90_usd <= budget:
            best, high = found, middle
        else:
            low = middle
    return best


def _refuse_budget(plan: _Filler, budget: float, least: float, when: str) -> NoReturn:
    raise Refused(
        f"routing.budget_usd: {money(budget)} is too little for {plan.frames} frames; the cheapest way"
        f"{when} costs up to {money(least)}, so raise it or send fewer frames.",
        field="routing.budget_usd",
    )
