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
        # What waits are made of: seconds of the queue, the second at which a busy place is free on
        # the mean, and what part of the time until then passes before the first is.
        self._queue, self._mean, self._part = np.zeros((3, len(self.sites)))
        for index in range(len(self.sites)):
            self.refresh(index)

    def refresh(self, pool: int) -> None:
        """Bring the arrays up to date after something happened in a pool."""
        site = self.sites[pool]
        self.free[pool] = site.free
        self._queue[pool] = site.queued / site.count if site.count > 0 else np.inf
        busy = site.busy or 1
        self._mean[pool], self._part[pool] = site.until / busy, 2 / (busy + 1)

    def waits(self, now: float) -> Floats:
        """Expected seconds until a place is free for one more in the queue of each pool, (pools,).

        The queue is worked off by all places together; of n runs whose ends are spread evenly up to
        twice their mean, the first ends after 2 / (n + 1) of that mean. Infinite where nothing is.
        """
        return self._queue + self._part * np.maximum(self._mean - now, 0.0)


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
