"""The cheapest schedule of a handful of jobs, exactly, where times are taken as certain.

A schedule gives every job a way and a moment to begin, not before it may, so that each meets its
deadline and no pool gives more accelerators than it has. Branch and bound over the ways; whether the
jobs of a pool fit beside each other is tried over all their orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from farm.route.board import Board
from farm.route.policy import Wish, keeps
from farm.route.ways import Ways

_INF = float("inf")
Span = tuple[float, float, int]
"""Accelerators that are taken from one moment to another: (begin, end, how many)."""


@dataclass(frozen=True)
class Arrival:
    """A job with its ways, what it wishes, and the moment from which it may begin (epoch seconds)."""

    ways: Ways
    wish: Wish
    at: float


@dataclass(frozen=True)
class Schedule:
    """USD in all, and for each job its way and when it begins.

    ``proven`` says that nothing cheaper exists, rather than that the search stopped looking.
    """

    usd: float
    slots: tuple[tuple[int, float], ...]
    proven: bool


def optimum(
    jobs: Sequence[Arrival], board: Board, taken: Sequence[Sequence[Span]] | None = None,
    below: float = _INF, steps: int | None = None,
) -> Schedule | None:  # fmt: skip
    """The cheapest schedule that keeps all wishes; None where there is none, or none below ``below``.

    Args:
        jobs: few; the time grows exponentially with them.
        board: the pools.
        taken: what each pool has given away already.
        below: USD; only schedules that cost less are looked for.
        steps: ways tried before the search stops with the best so far; None: never.
    """
    search = _Search(jobs, board, taken or [[]] * len(board.pools), below, steps)
    try:
        search.branch(0, 0.0)
    except _Stop:
        return search.schedule(proven=False)
    return search.schedule(proven=True)


class _Stop(Exception):
    """Enough ways were tried."""


@dataclass(frozen=True)
class _Part:
    """A job on one of its ways, as far as its pool is concerned."""

    depth: int
    places: int
    seconds: float
    opens: float
    latest: float


Begins = dict[int, float]
"""When jobs begin, by their depth in the search."""


@dataclass
class _Search:
    jobs: Sequence[Arrival]
    board: Board
    taken: Sequence[Sequence[Span]]
    limit: float
    steps: int | None
    best: tuple[float, list[int], Begins] | None = None
    _ways: list[int] = field(default_factory=list)
    _known: dict[tuple[int, frozenset[tuple[int, int]]], Begins | None] = field(default_factory=dict)

    @cached_property
    def order(self) -> list[int]:
        """The jobs as they are branched on: where a wrong turn costs most comes first."""
        options = [self._options_of(job) for job in self.jobs]
        return sorted(range(len(options)), key=lambda i: -_loss(options[i]))

    @cached_property
    def options(self) -> list[list[tuple[float, int]]]:
        """(USD, way) of each job in that order, cheapest first."""
        return [self._options_of(self.jobs[i]) for i in self.order]

    @cached_property
    def rest(self) -> list[float]:
        """The least that the jobs from each depth on can cost."""
        least = [each[0][0] if each else _INF for each in self.options]
        return [sum(least[i:]) for i in range(len(least) + 1)]

    def branch(self, depth: int, usd: float) -> None:
        """Try every way of the job at ``depth``, cheapest first, while it can still be the best."""
        if depth == len(self.options):
            self.limit, self.best = usd, (usd, self._ways.copy(), self._begins())
            return
        for price, way in self.options[depth]:
            if usd + price + self.rest[depth + 1] >= self.limit * (1 - 1e-12):
                return
            if self.steps is not None:
                self.steps -= 1
                if self.steps < 0:
                    raise _Stop
            self._ways.append(way)
            try:
                if self._fit(int(self.board.pool[way])) is not None:
                    self.branch(depth + 1, usd + price)
            finally:
                self._ways.pop()

    def schedule(self, *, proven: bool) -> Schedule | None:
        """The best that was found."""
        if self.best is None:
            return None
        usd, ways, begins = self.best
        slots = [(ways[depth], begins[depth]) for depth in np.argsort(self.order).tolist()]
        return Schedule(usd, tuple(slots), proven)

    def _begins(self) -> Begins:
        found: Begins = {}
        for pool in {int(self.board.pool[way]) for way in self._ways}:
            found |= self._fit(pool) or {}
        return found

    def _options_of(self, job: Arrival) -> list[tuple[float, int]]:
        kept = np.flatnonzero(keeps(job.ways, job.wish, job.at))
        return sorted((float(job.ways.expected_usd[way]), int(way)) for way in kept)

    def _fit(self, pool: int) -> Begins | None:
        """When the jobs that are on ``pool`` by now begin; None where they cannot all be in time."""
        here = frozenset((d, way) for d, way in enumerate(self._ways) if self.board.pool[way] == pool)
        if (pool, here) not in self._known:
            parts = [self._part(depth, way) for depth, way in here]
            count = self.board.pools[pool].count
            self._known[pool, here] = fit(parts, self.taken[pool], count)
        return self._known[pool, here]

    def _part(self, depth: int, way: int) -> _Part:
        job = self.jobs[self.order[depth]]
        due = _INF if job.wish.due is None else job.wish.due
        return _Part(
            depth, int(job.ways.places[way]), float(job.ways.expected_seconds[way]), job.at,
            due - float(job.ways.p90_seconds[way]),
        )  # fmt: skip


def fit(parts: Sequence[_Part], taken: Sequence[Span], count: int) -> Begins | None:
    """When each part begins so that all share ``count`` accelerators in time; None: they cannot.

    Where any schedule does it, one does in which the parts, put in some order, each begin as early as
    those before it leave room.
    """
    return next(_put(sorted(parts, key=lambda part: part.latest), list(taken), count), None)


def _put(left: Sequence[_Part], there: list[Span], count: int) -> Iterator[Begins]:
    if not left:
        yield {}
    begins = [_earliest(part, there, count) for part in left]
    if any(at > part.latest for at, part in zip(begins, left, strict=True)):
        return  # what is too late already gets no sooner
    for index, (at, part) in enumerate(zip(begins, left, strict=True)):
        rest = [*left[:index], *left[index + 1 :]]
        for others in _put(rest, [*there, (at, at + part.seconds, part.places)], count):
            yield {part.depth: at, **others}


def _earliest(part: _Part, there: Sequence[Span], count: int) -> float:
    """The first moment from which the part's places stay free for as long as it takes."""
    for at in sorted({part.opens, *(end for _, end, _ in there if end > part.opens)}):
        until = at + part.seconds
        marks = [at, *(begin for begin, _, _ in there if at < begin < until)]
        most = max(sum(n for begin, end, n in there if begin <= mark < end) for mark in marks)
        if most + part.places <= count:
            return at
    return _INF


def _loss(options: Sequence[tuple[float, int]]) -> float:
    return options[1][0] - options[0][0] if len(options) > 1 else _INF
