"""The simulation: one policy on one trace, event by event, on a virtual clock.

A run ends as the first of these: done; taken away, after a time drawn at the pool's true rate; moved,
where the policy wants it elsewhere; parked, where its project may not pay for more. What a checkpoint
holds is kept. Machines boot, are paid for from then on, and stay warm for a while.
"""

from __future__ import annotations

import heapq
from collections import deque
from random import Random

from farm.route.simulate.ledger import Ledger
from farm.route.simulate.physics import Physics
from farm.route.simulate.record import Record
from farm.route.simulate.runs import ASK, DONE, MOVE, NEVER, SPENT, TAKEN, WAITED, Event, Runs
from farm.route.simulate.task import Task
from farm.route.simulate.trace import Change, Flags, Trace
from farm.route.simulate.world import Place, Policy, World

LOOKS = 900.0
"""Seconds between two looks of a policy at prices and at what it learnt."""
SAMPLES = 240
"""Times at which the state is written down, for plots."""
DEPTH = 64
"""Tasks at the head of the common queue that are asked whether they want what got free."""
RESCUE = 30.0
"""Seconds between two tries of an empty pool to take a task from another's queue."""


class Loop:
    """Runs ``policy`` through the trace of ``world``.

    Args:
        admitted: which orders the front door lets in, (orders,).
        seed: of preemptions; paces of runs belong to the trace.
    """

    def __init__(
        self, world: World, policy: Policy, physics: Physics, admitted: Flags, seed: int = 0
    ) -> None:
        self.world, self.policy = world, policy
        self.trace: Trace = world.trace
        self.now = 0.0
        self.ledger = Ledger(self.trace.projects, holds=policy.capped)
        self.record = Record(self.trace, policy.name, admitted)
        self._physics, self._admitted = physics, admitted.tolist()
        self._random = Random(f"{self.trace.seed}/{seed}")  # noqa: S311  # it draws fates, not keys
        self._runs = Runs(world, policy, physics, self.ledger, self.record, self._random)
        self._common: deque[tuple[Task, int]] = deque()
        self._waits = self._open = 0

    def run(self) -> Record:
        """Go on until all orders are done or parked, or nothing will ever happen to those that wait."""
        ats = [*self.trace.orders.at.tolist(), NEVER]
        events, changes = self._runs.events, self.trace.changes
        order, change = 0, 0
        look, sample = LOOKS, 0.0
        while True:
            begins, happens = ats[order], events[0][0] if events else NEVER
            changes_at = changes[change].at if change < len(changes) else NEVER
            at = min(begins, changes_at, happens)
            regular = min(look, sample)
            if at == NEVER or (begins == NEVER and not self._open):
                break
            if regular <= at:
                self.now = regular
                if sample <= look:
                    self.record.sample(self.now, self.world.sites, self._open)
                    sample += self.trace.seconds / SAMPLES
                else:
                    self.policy.look(self.now)
                    look += LOOKS
                continue
            self.now = at
            if changes_at <= at:
                self._change(changes[change])
                change += 1
            elif happens <= begins:
                self._happen(heapq.heappop(events))
            else:
                self._arrive(order)
                order += 1
        self.record.close(self.now, self.world.sites, self.ledger)
        return self.record

    def _arrive(self, index: int) -> None:
        if not self._admitted[index]:
            return
        orders = self.trace.orders
        task = Task(
            index, int(orders.work[index]), int(orders.project[index]), float(orders.due[index]),
            float(orders.budget[index]), bool(orders.spot[index]),
        )  # fmt: skip
        self._open += 1
        self._place(task)

    def _place(self, task: Task) -> None:
        """Begin a task, let it wait, or park it where its project cannot pay."""
        place = self.policy.place(task, self.now)
        if place is None:
            task.version += 1
            self._common.append((task, task.version))
            return
        if not task.accepted and not self.ledger.accept(task, place.usd):
            self._park(task)
            return
        task.accepted = True
        pool, places = self._physics.pool[place.way], self._physics.places[place.way]
        if places <= self.world.sites[pool].free:
            self._begin(task, place)
        else:
            task.place = place
            self._queue(task, place, pool, places)

    def _begin(self, task: Task, place: Place) -> None:
        if self.ledger.begins(task):
            self._runs.begin(task, place, self.now)
        else:
            self._park(task)

    def _queue(self, task: Task, place: Place, pool: int, places: int) -> None:
        self._waits += 1
        task.way = place.way
        self.world.sites[pool].enqueue(task, place.latest, self._waits, place.seconds * places)
        self.world.refresh(pool)
        if place.again < NEVER:
            self._runs.push(max(place.again, self.now + 1.0), WAITED, task)

    def _happen(self, event: Event) -> None:
        _, _, kind, task, version = event
        if version != task.version:
            return
        now, runs = self.now, self._runs
        if kind == DONE:
            pool = runs.end(task, now, kept=task.left * task.total, lost=False)
            self._close(task)
            self.record.done(task, now)
            self._fill(pool)
        elif kind == TAKEN:
            self._taken(task)
        elif kind == SPENT:
            self._spent(task)
        elif kind == ASK:
            if self.policy.leaves(task, now):
                runs.keep_state(task, now)
            else:
                runs.plan(task, now, ask=False)
        elif kind == MOVE:
            pool = runs.end(task, now, kept=task.saving, lost=False)
            task.moved = True
            self.record.moved += 1
            self._place(task)
            self._fill(pool)
        else:
            assert kind == WAITED
            self._unqueue(task)
            self._place(task)

    def _taken(self, task: Task) -> None:
        """Its capacity is taken away: go on from the last checkpoint, somewhere."""
        pool = self._runs.end(task, self.now, kept=task.kept(self.now), lost=True)
        self._place(task)
        self._fill(pool)

    def _spent(self, task: Task) -> None:
        """Its reservation lasts until this checkpoint and no further."""
        if self._runs.extend(task, self.now):
            return
        pool = self._runs.end(task, self.now, kept=task.kept(self.now), lost=False)
        self._park(task)
        self._fill(pool)

    def _park(self, task: Task) -> None:
        """It rests until somebody raises the cap, which nobody does here."""
        self._close(task)
        self.record.park(task)

    def _close(self, task: Task) -> None:
        task.version += 1
        self._open -= 1
        self.ledger.settle(task)

    def _unqueue(self, task: Task) -> None:
        pool = self._physics.pool[task.way]
        self.world.sites[pool].leave(task)
        self.world.refresh(pool)

    def _fill(self, pool: int) -> None:
        """Give what is free in a pool to those who wait."""
        site = self.world.sites[pool]
        while site.free:
            task = site.head()
            if task is None:
                if not (self._fetch(pool) if self._common else self._rescue(pool)):
                    return
            elif self._physics.places[task.way] > site.free:
                return
            else:
                self._unqueue(task)
                self._begin(task, task.place)

    def _fetch(self, pool: int) -> bool:
        """Begin the first task of the common queue that can use a place in ``pool``."""
        queue, found = self._common, False
        passed: list[tuple[Task, int]] = []
        while queue and len(passed) < DEPTH and not found:
            task, version = queue.popleft()
            if version != task.version:
                continue
            place = self.policy.accept(task, pool, self.now)
            if place is None:
                passed.append((task, version))
            else:
                self._begin(task, place)
                found = True
        queue.extendleft(reversed(passed))
        return found

    def _rescue(self, pool: int) -> bool:
        """Let the first in the longest queue think again, now that there is room in ``pool``."""
        site = self.world.sites[pool]
        if self.now < site.rescued + RESCUE:
            return False
        site.rescued = self.now
        longest = max(self.world.sites, key=lambda one: one.queued)
        task = longest.head()
        if task is None:
            return False
        before = site.busy
        self._unqueue(task)
        self._place(task)
        return site.busy > before

    def _change(self, change: Change) -> None:
        site, pool, now = self.world.sites[change.pool], change.pool, self.now
        if change.usd_per_hour is not None:
            site.reprice(change.usd_per_hour / 3600, now)
        if change.preemptions_per_hour is not None:
            site.rate = change.preemptions_per_hour / 3600
        if change.count is not None:
            site.count = change.count
            self._shrink(pool)
        for task in tuple(site.running):
            self._runs.plan(task, now)
        self.world.refresh(pool)
        self._fill(pool)

    def _shrink(self, pool: int) -> None:
        """Spot capacity that is gone is gone at once; on-demand machines are kept until given back.

        Whoever waits decides anew.
        """
        site = self.world.sites[pool]
        self.world.refresh(pool)
        while site.spot and site.busy > site.count:
            victim = site.running[self._random.randrange(len(site.running))]
            self._runs.end(victim, self.now, kept=victim.kept(self.now), lost=True)
            self._place(victim)
        waiting = []
        while (task := site.head()) is not None:
            self._unqueue(task)
            waiting.append(task)
        for task in waiting:
            self._place(task)
