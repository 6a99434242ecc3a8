"""When accelerators of each pool are free, while a queue is being planned, and who gets them."""

from __future__ import annotations

import heapq
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
        self._taken = [
            sorted(max(now, end) for end in busy[index]) if busy is not None else []
            for index in range(len(board.pools))
        ]
        self._free = [
            max(0, pool.count - len(taken))
            for pool, taken in zip(board.pools, self._taken, strict=True)
        ]
        self._pool: list[int] = board.pool.tolist()
        self._wanted: list[int] = board.places.tolist()
        self._gangs: list[list[tuple[int, int]]] = [[] for _ in board.pools]
        for way, (pool, wanted) in enumerate(zip(self._pool, self._wanted, strict=True)):
            self._gangs[pool].append((way, wanted))
        self.begins = np.full(len(board.pool), now)
        """When each way could begin; infinite: its pool never has so many accelerators."""
        for index in range(len(board.pools)):
            self._look(index)

    def take(self, way: int, until: float) -> None:
        """Hold the accelerators of a way, the first of its pool that are free, ``until`` a moment."""
        pool, wanted = self._pool[way], self._wanted[way]
        taken = self._taken[pool]  # a sorted list is a heap
        from_free = min(wanted, self._free[pool])
        self._free[pool] -= from_free
        for _ in range(wanted - from_free):
            heapq.heapreplace(taken, until)
        for _ in range(from_free):
            heapq.heappush(taken, until)
        self._look(pool)

    def _look(self, pool: int) -> None:
        free, taken = self._free[pool], self._taken[pool]
        for way, wanted in self._gangs[pool]:
            missing = wanted - free
            if missing <= 0:
                continue  # since ``now``, as before
            if missing > len(taken):
                self.begins[way] = float("inf")
            elif missing == 1:
                self.begins[way] = taken[0]
            else:
                self.begins[way] = heapq.nsmallest(missing, taken)[-1]
