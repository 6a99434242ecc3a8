"""What policies see and what they answer: the pools now, and a place for a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from farm.route.footprint import Footprint
from farm.route.simulate.site import Site
from farm.route.simulate.task import Task
from farm.route.simulate.trace import Floats, Trace


class World:
    """The pools as the simulation goes on; ``free`` are accelerators to be had now, (pools,)."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.works: tuple[Footprint, ...] = trace.footprints
        self.sites = [Site(pool) for pool in trace.pools]
        self.free = np.array([site.free for site in self.sites], dtype=np.int64)
        self._count, self._busy, self._queued, self._until = np.zeros((4, len(self.sites)))
        for index in range(len(self.sites)):
            self.refresh(index)

    def refresh(self, pool: int) -> None:
        """Bring the arrays up to date after something happened in a pool."""
        site = self.sites[pool]
        self.free[pool] = site.free
        self._count[pool], self._busy[pool] = site.count, site.busy
        self._queued[pool], self._until[pool] = site.queued, site.until

    def waits(self, now: float) -> Floats:
        """Expected seconds until a place is free for one more in the queue of each pool, (pools,).

        The queue is worked off by all places together; what runs ends, of n times spread evenly up to
        twice their mean, first after 2 / (n + 1) of that mean. Infinite where a pool has nothing.
        """
        busy = np.maximum(self._busy, 1.0)
        rest = np.maximum(self._until / busy - now, 0.0)
        wait = self._queued / np.maximum(self._count, 1.0) + 2 * rest / (busy + 1)
        return np.where(self._count > 0, wait, np.inf)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task shall run, now or as soon as there is room.

    Args:
        way: on the board of the trace's pools.
        interval: productive seconds between checkpoints.
        seconds: that it is expected to take there, for the waits of others.
        usd: that nine of ten such runs cost at most, to be reserved.
        latest: when it has to begin there; who has to first goes first.
        again: when it is to be placed anew if it still waits; infinite: never.
    """

    way: int
    interval: float
    seconds: float
    usd: float
    latest: float = float("inf")
    again: float = float("inf")


class Policy(Protocol):
    """Decides for tasks one at a time."""

    name: str
    capped: bool
    """Whether it holds to the caps of projects."""

    def place(self, task: Task, now: float) -> Place | None:
        """Where ``task`` goes; None: into the one queue for whatever gets free."""
        ...

    def accept(self, task: Task, pool: int, now: float) -> Place | None:
        """A place in ``pool``, where something got free, for a task of that one queue."""
        ...

    def leaves_at(self, task: Task, now: float) -> float:
        """When to ask whether ``task``, now on spot capacity, leaves it; may be infinite."""
        ...

    def leaves(self, task: Task, now: float) -> bool:
        """Whether it now leaves spot capacity for on-demand, from a checkpoint."""
        ...

    def took(self, task: Task, pool: int, now: float, *, lost: bool) -> None:
        """Learn from a run that ends now; ``lost`` says that its capacity was taken away."""
        ...

    def look(self, now: float) -> None:
        """Take note of prices and of what was learnt, every few minutes of the trace."""
        ...
