"""The farm's policy in the simulation: its real decision functions, and what they are given.

``weigh`` and ``choose`` place tasks, ``must_leave_spot`` moves them to on-demand, and ``learning``
corrects what is believed of the pools. Nothing in here decides by itself, but which wishes are given
up when no way keeps them all any more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from farm.route.board import Board
from farm.route.policy import Choice, Wish, choose
from farm.route.progress import must_leave_spot
from farm.route.simulate.beliefs import Beliefs
from farm.route.simulate.physics import EIGHTHS, remaining
from farm.route.simulate.task import Task
from farm.route.simulate.world import Place, World
from farm.route.ways import Ways, weigh

NEVER = float("inf")
HOUR_USD, DUE_HOUR_USD = 0.5, 0.05
"""What an hour until it is there is worth, without a deadline and with one, where nobody says."""
LATE_HOUR_USD = 5.0
"""And for one whose deadline cannot be kept any more."""
PATIENCE = 120.0
"""Seconds beyond twice the expected wait after which a task that waits is placed anew."""
UNHURRIED = 8 * 3600.0
"""Jobs without a deadline take their turn as if they had to begin within so many seconds."""


class Routed:
    """The farm."""

    capped = True

    def __init__(self, world: World, name: str = "farm", hour_usd: float = HOUR_USD) -> None:
        self.name = name
        self._world, self._hour_usd = world, hour_usd
        self._beliefs = Beliefs(world)
        self._weighed_on = self._beliefs.board
        self._known: dict[tuple[int, int], Ways] = {}
        self.decisions = 0
        """That ``choose`` was asked for."""

    @property
    def _board(self) -> Board:
        return self._beliefs.board

    def place(self, task: Task, now: float) -> Place | None:
        """Where ``choose`` puts it."""
        ways = self._ways(task)
        if task.spot and not task.moved and task.due < NEVER and task.left < 1.0:
            # Its capacity was taken away: may it try spot once more?
            task.moved = self._must_leave(task, now)
        choice, wish = self._choose(task, ways, now)
        if choice is None:
            return None
        way, wait = choice.way, choice.wait
        p90 = float(ways.p90_seconds[way])
        latest = (now + UNHURRIED if wish.due is None else wish.due) - p90
        again = NEVER if wait == 0.0 else now + PATIENCE + 2 * wait
        return Place(
            way, float(ways.interval[way]), float(ways.expected_seconds[way]), float(ways.p90_usd[way]),
            latest, min(again, max(latest, now + PATIENCE / 2)),
        )  # fmt: skip

    def _choose(self, task: Task, ways: Ways, now: float) -> tuple[Choice | None, Wish]:
        """By the job's wishes; where no way keeps them, by those that can still be kept."""
        free, wish = self._world.free, Wish()
        waits = self._world.waits(now)
        for wish in self._wishes(task):
            self.decisions += 1
            choice = choose(ways, wish, now, free, waits)
            if choice is not None:
                return choice, wish
        return None, wish

    def _wishes(self, task: Task) -> Iterator[Wish]:
        """The job's own, then without its deadline, its budget, and its haste to leave spot."""
        spot = task.spot and not task.moved
        due = None if task.due == NEVER else task.due
        budget = None if task.budget == NEVER else max(0.0, task.budget - task.spent)
        hour = self._hour_usd if due is None else DUE_HOUR_USD
        yield Wish(due, budget, spot, hour_usd=hour)
        if due is not None:
            yield Wish(None, budget, spot, hour_usd=LATE_HOUR_USD)
        if budget is not None:
            yield Wish(None, None, spot, hour_usd=hour)
        if task.moved:
            yield Wish(None, None, task.spot, hour_usd=LATE_HOUR_USD)

    def accept(self, task: Task, pool: int, now: float) -> Place | None:
        """A place for a task that nothing at all could be said for when it came."""
        place = self.place(task, now)
        if place is None or self._board.pool[place.way] != pool:
            return None
        return place if self._world.free[pool] >= self._board.places[place.way] else None

    def leaves_at(self, task: Task, now: float) -> float:
        """When on-demand will have to take over, should the run go on as it is expected to."""
        if task.due == NEVER or not task.spot or task.moved:
            return NEVER
        target = self._target(task)
        if target is None:
            return NEVER
        return self._crossing(task, target, now)

    def leaves(self, task: Task, now: float) -> bool:
        """Whether Uniform Progress says so, and there is on-demand capacity that gets it there."""
        left = task.left - task.done(now) / task.total
        target = self._target(task)
        if target is None:
            return False
        seconds, start = target
        rest = task.ends() - now
        if rest <= start + task.save:
            return False
        slack = task.due - now - task.save
        reachable = left * seconds + start <= slack
        return reachable and must_leave_spot(left * seconds, slack, start)

    def took(self, task: Task, pool: int, now: float, *, lost: bool) -> None:
        """Learn how long capacity lasted, and how fast it was."""
        self._beliefs.took(task, pool, now, lost=lost)

    def look(self, now: float) -> None:
        """Reckon with new prices, and with what was learnt."""
        self._beliefs.look(now)

    def _must_leave(self, task: Task, now: float) -> bool:
        target = self._target(task)
        if target is None:
            return False
        seconds, start = target
        return must_leave_spot(task.left * seconds, task.due - now, start)

    def _target(self, task: Task) -> tuple[float, float] | None:
        """Seconds of the whole work, and until it begins, on the on-demand way that is soonest now."""
        ways = self._weighed(task.work, EIGHTHS)
        usable = ways.able & ~self._board.spot & (ways.places <= self._world.free[ways.pool])
        if not usable.any():
            return None
        way = int(np.where(usable, ways.p90_seconds, np.inf).argmin())
        start = float(ways.start_seconds[way])
        return float(ways.p90_seconds[way]) - start, start

    def _crossing(self, task: Task, target: tuple[float, float], now: float) -> float:
        """When slack has shrunk to what is left on ``target`` and two changeovers."""
        seconds, start = target
        begins = max(now, task.began + task.lead)
        stretch = task.total * (1 + task.save / task.interval)
        gain = min(seconds / stretch, 1.0 - 1e-9)
        left = task.left - task.done(now) / task.total
        slack = task.due - begins - left * seconds - 2 * start
        # A second later, so that rounding does not find the line not crossed yet.
        return max(now, begins + slack / (1 - gain)) + 1.0

    def _ways(self, task: Task) -> Ways:
        return self._weighed(task.work, -int(-task.left * EIGHTHS // 1))

    def _weighed(self, work: int, eighths: int) -> Ways:
        """The ways of what is left of a footprint; kept while the board is."""
        if self._weighed_on is not self._beliefs.board:
            self._weighed_on = self._beliefs.board
            self._known.clear()
        found = self._known.get((work, eighths))
        if found is None:
            found = weigh(remaining(self._world.works[work], eighths), self._weighed_on)
            self._known[work, eighths] = found
        return found
