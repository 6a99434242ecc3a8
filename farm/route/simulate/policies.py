"""What others do, to compare with: rules that look at one thing each.

All of them put a task on the first way of their order that has room, and into one queue where none
has; whatever gets free goes to the first in that queue that can use it. They checkpoint as the farm
does, run on spot capacity where the job allows it, and begin anew elsewhere after a preemption. Prices
of the moment they know; preemptions, budgets and caps they do not look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from farm.route.board import Board
from farm.route.simulate.task import Task
from farm.route.simulate.trace import Floats
from farm.route.simulate.world import Place, World
from farm.route.ways import Ways, weigh

NEVER = float("inf")

Score: TypeAlias = Callable[[Ways, Floats], Floats]
"""Of ways, and USD an hour of an accelerator on each now: what to sort by; equals stay as listed."""


def listed(ways: Ways, price: Floats) -> Floats:
    """First-fit: as pools are listed."""
    return np.zeros(len(price))


def per_hour(ways: Ways, price: Floats) -> Floats:
    """Cheapest-per-hour, which is what SkyPilot minimises where it is told nothing of run times."""
    return price


def duration(ways: Ways, price: Floats) -> Floats:
    """Fastest-first."""
    return ways.p50_seconds


@dataclass(frozen=True, slots=True)
class _Entry:
    """A way in its order: pool, accelerators, and seconds that nine of ten runs of it stay under."""

    pool: int
    places: int
    start: float
    p90: float
    place: Place


class Ordered:
    """A policy that goes through ways in one order.

    Args:
        score: gives the order.
        gangs: whether several accelerators may share a picture.
        timely: whether ways that would miss the deadline are passed over while others would not.
    """

    capped = False

    def __init__(
        self, name: str, world: World, score: Score, *, gangs: bool = False, timely: bool = False
    ) -> None:
        self.name = name
        self._world, self._score, self._gangs, self._timely = world, score, gangs, timely
        self._board = Board.of(world.trace.pools)
        self._entries: dict[tuple[int, bool], list[_Entry]] = {}
        self._prices: list[float] = []

    def place(self, task: Task, now: float) -> Place | None:
        """The first way that has room."""
        free, entries = self._world.free, self._ways(task)
        if not self._timely or task.due == NEVER:
            return next((one.place for one in entries if free[one.pool] >= one.places), None)
        rest, hope = task.due - now, False
        for one in entries:
            if _needs(one, task) <= rest:
                if free[one.pool] >= one.places:
                    return one.place
                hope = True
        return None if hope else self._quickest(entries, task)

    def accept(self, task: Task, pool: int, now: float) -> Place | None:
        """The first way in ``pool`` that has room."""
        free, entries = int(self._world.free[pool]), self._ways(task)
        fit = [one for one in entries if one.pool == pool and free >= one.places]
        if not self._timely or task.due == NEVER:
            return fit[0].place if fit else None
        rest = task.due - now
        timely = [one for one in fit if _needs(one, task) <= rest]
        if timely:
            return timely[0].place
        late = fit and not any(_needs(one, task) <= rest for one in entries)
        return fit[0].place if late else None

    def leaves_at(self, task: Task, now: float) -> float:
        """Never: it stays where it is."""
        return NEVER

    def leaves(self, task: Task, now: float) -> bool:
        """No."""
        return False

    def took(self, task: Task, pool: int, now: float, *, lost: bool) -> None:
        """Nothing is learnt."""

    def look(self, now: float) -> None:
        """Order anew where prices have changed."""
        prices = [site.price for site in self._world.sites]
        if prices != self._prices:
            self._prices = prices
            self._entries.clear()

    def _quickest(self, entries: list[_Entry], task: Task) -> Place | None:
        """It is late whatever is done: what has room and takes least time."""
        free = self._world.free
        fit = [one for one in entries if free[one.pool] >= one.places]
        return min(fit, key=lambda one: _needs(one, task)).place if fit else None

    def _ways(self, task: Task) -> list[_Entry]:
        found = self._entries.get((task.work, task.spot))
        if found is None:
            found = self._entries[task.work, task.spot] = self._sorted(task.work, spot=task.spot)
        return found

    def _sorted(self, work: int, *, spot: bool) -> list[_Entry]:
        ways = weigh(self._world.works[work], self._board)
        hour = np.array([site.price for site in self._world.sites])[ways.pool] * 3600
        order = np.argsort(self._score(ways, hour), kind="stable")
        usable = ways.able & (spot | ~self._board.spot) & (self._gangs | (ways.places == 1))
        return [
            _Entry(
                int(ways.pool[way]), int(ways.places[way]), float(ways.start_seconds[way]),
                float(ways.p90_seconds[way]),
                Place(int(way), float(ways.interval[way]), float(ways.expected_seconds[way]), 0.0),
            )
            for way in order[usable[order]].tolist()
        ]  # fmt: skip


def _needs(entry: _Entry, task: Task) -> float:
    """Seconds that nine of ten runs of what is left stay under."""
    return entry.start + (entry.p90 - entry.start) * task.left


def first_fit(world: World) -> Ordered:
    """The first pool in the list that has room."""
    return Ordered("first-fit", world, listed)


def cheapest_per_hour(world: World) -> Ordered:
    """The pool with the lowest price for an hour that has room."""
    return Ordered("cheapest-per-hour", world, per_hour)


def timely_per_hour(world: World) -> Ordered:
    """The same among those that would meet the deadline."""
    return Ordered("cheapest-per-hour-in-time", world, per_hour, timely=True)


def fastest_first(world: World) -> Ordered:
    """The pool and gang that takes least time and has room."""
    return Ordered("fastest-first", world, duration, gangs=True)
