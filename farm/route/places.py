"""When accelerators of each pool are free, while a queue is being planned, and who gets them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farm.route.board import Board


@dataclass(frozen=True)
class Slot:
    """Where and when a job is to begin.

    Args:
        way: index of a way of the board.
        begins: epoch seconds; later than now while it waits for its place.
        kept: whether deadline and budget are kept by that. Where they cannot be, the soonest way is
            taken that the job allows.
    """

    way: int
    begins: float
    kept: bool = True


class Places:
    """The moments from which each pool's accelerators are free.

    Machines are not told apart: a gang begins when as many accelerators of its pool are free.

    Args:
        board: the pools.
        now: epoch seconds.
        busy: for each pool, when each accelerator that is taken is expected to be free; None: none is.
    """

    def __init__(self, board: Board, now: float, busy: Sequence[Sequence[float]] | None = None) -> None:
        self.now = now
        ends = [[]] * len(board.pools) if busy is None else busy
        self._taken = [sorted(max(0.0, end - now) for end in each) for each in ends]
        self._free = [
            max(0, pool.count - len(taken))
            for pool, taken in zip(board.pools, self._taken, strict=True)
        ]
        self._pool: list[int] = board.pool.tolist()
        self._wanted: list[int] = board.places.tolist()
        self.ways = [board.ways_of(pool) for pool in range(len(board.pools))]
        """The ways of each pool, which lie side by side."""
        self.delay = np.zeros(len(board.pool))
        """Seconds until each way could begin; infinite: its pool never has so many accelerators."""
        for index in range(len(board.pools)):
            self._look(index)

    def take(self, way: int, delay: float, seconds: float) -> None:
        """Hold the accelerators of a way, the first of its pool that are free, after a delay."""
        pool, wanted = self._pool[way], self._wanted[way]
        taken = self._taken[pool]
        from_free = min(wanted, self._free[pool])
        self._free[pool] -= from_free
        del taken[: wanted - from_free]
        for _ in range(wanted):
            insort(taken, delay + seconds)
        self._look(pool)

    def others(self, way: int) -> slice:
        """The ways of the same pool."""
        return self.ways[self._pool[way]]

    def _look(self, pool: int) -> None:
        free, taken = self._free[pool], self._taken[pool]
        ways = self.ways[pool]
        for way in range(ways.start, ways.stop):
            missing = self._wanted[way] - free
            if missing > len(taken):
                self.delay[way] = np.inf
            elif missing > 0:
                self.delay[way] = taken[missing - 1]
