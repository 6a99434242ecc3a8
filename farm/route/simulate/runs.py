"""Runs of tasks on sites: how they begin, which event ends them, and what they leave."""

from __future__ import annotations

import heapq
import math
from random import Random
from typing import TypeAlias

from farm.route.simulate.ledger import Ledger
from farm.route.simulate.physics import Physics
from farm.route.simulate.record import Record
from farm.route.simulate.task import Task
from farm.route.simulate.world import Place, Policy, World

DONE, TAKEN, SPENT, ASK, MOVE, WAITED = range(6)
"""What happens to a task: its work is done, its capacity goes, its reservation is used up, it may want
to leave spot capacity, it has kept its state and goes, it has waited as long as it may."""
NEVER = math.inf

Event: TypeAlias = tuple[float, int, int, Task, int]
"""Second, order among equals, kind, task, and the version of the task it is meant for."""


class Runs:
    """Begins and ends runs, and keeps the events that are planned."""

    def __init__(
        self, world: World, policy: Policy, physics: Physics, ledger: Ledger, record: Record,
        random: Random,
    ) -> None:  # fmt: skip
        self.events: list[Event] = []
        self._world, self._policy, self._physics = world, policy, physics
        self._ledger, self._record, self._random = ledger, record, random
        self._order = 0

    def push(self, at: float, kind: int, task: Task) -> None:
        """Plan an event for the present run or wait of a task."""
        self._order += 1
        heapq.heappush(self.events, (at, self._order, kind, task, task.version))

    def begin(self, task: Task, place: Place, now: float) -> None:
        """Put a task where there is room for it."""
        physics, way = self._physics, place.way
        pool, places = physics.pool[way], physics.places[way]
        site = self._world.sites[pool]
        warm = site.take(task, places, now, place.seconds)
        times, pace = physics.times(task.work), physics.pace[task.index]
        unit = times.unit[way] * pace
        # Where a unit ends is as good as a checkpoint.
        short = times.units > 1 and unit <= place.interval
        task.way, task.began, task.metered = way, now, site.meter(now)
        task.lead = physics.startup[way] + (0.0 if warm else physics.boot[way])
        task.total = unit * times.units
        task.interval = unit if short else place.interval
        task.save = 0.0 if short else times.save[way]
        self._record.begin(task, now, places * site.price)
        self._world.refresh(pool)
        self.plan(task, now)

    def plan(self, task: Task, now: float, *, ask: bool = True) -> None:
        """Plan the one event that ends the run as things are now; any planned before is void."""
        task.version += 1
        site, places = self._world.sites[self._physics.pool[task.way]], self._physics.places[task.way]
        kind, at = DONE, task.ends()
        if site.rate > 0:
            # What is left until a Poisson event does not depend on how long it has been awaited.
            taken = now + self._random.expovariate(site.rate)
            if taken < at:
                kind, at = TAKEN, taken
        spent = self._ledger.spent_at(task, site, places, now)
        if spent < at:
            kind, at = SPENT, max(spent, now)
        if ask and site.spot:
            asks = self._policy.leaves_at(task, now)
            if asks < at:
                kind, at = ASK, max(asks, now)
        self.push(at, kind, task)

    def extend(self, task: Task, now: float) -> bool:
        """Reserve more for a run that used up what it had, and go on; False where there is no more."""
        site, places = self._world.sites[self._physics.pool[task.way]], self._physics.places[task.way]
        if not self._ledger.extend(task, site, places, now):
            return False
        self.plan(task, now)
        return True

    def keep_state(self, task: Task, now: float) -> None:
        """Take a checkpoint now, and move when it is there."""
        task.version += 1
        task.saving = task.done(now)
        self.push(now + task.save, MOVE, task)

    def end(self, task: Task, now: float, *, kept: float, lost: bool) -> int:
        """End the run with ``kept`` productive seconds of it safe, and free its places.

        Returns the pool.
        """
        way = task.way
        pool, places = self._physics.pool[way], self._physics.places[way]
        site = self._world.sites[pool]
        usd = places * (site.meter(now) - task.metered)
        self._ledger.pay(task, usd)
        self._record.end(task, pool, now, places, usd, kept)
        if lost:
            self._record.preemptions += 1
        self._policy.took(task, pool, now, lost=lost)
        site.give(task, places, now, lost=lost)
        task.left = max(0.0, task.left - kept / task.total)
        task.version += 1
        self._world.refresh(pool)
        return pool
