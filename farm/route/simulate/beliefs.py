"""What the farm believes of the pools while a trace goes on: prices, what is up, and what it learnt."""

from __future__ import annotations

from collections import defaultdict, deque

from farm.route import learning
from farm.route.accelerator import Accelerator, Pool, Preemption
from farm.route.board import Board
from farm.route.simulate.physics import Clockwork
from farm.route.simulate.task import Task
from farm.route.simulate.world import World
from farm.spec.cost import Exposure, Pace

HOUR, DAY = 3600.0, 86400.0
CHANGED = 0.05
"""Relative change of a price, a speed or a rate from which the pools are weighed anew."""
RUNS = 40
"""The latest runs of each accelerator with each extractor that count; older ones hardly would."""


class Beliefs:
    """The pools as the farm reckons with them, by the farm's own ``learning``."""

    def __init__(self, world: World) -> None:
        self._world, self._start = world, world.trace.pools
        self.board = Board.of(self._start)
        self._nominal = Clockwork(self._start, world.works)
        self._seen = [[0.0, 0] for _ in self._start]
        """Today's place hours and preemptions of each pool."""
        self._past: list[list[Exposure]] = [[] for _ in self._start]
        self._sorts = {pool.accelerator.name: pool.accelerator for pool in self._start}
        self._learnt = dict(self._sorts)
        self._ratios: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=RUNS))
        self._today = 0

    def took(self, task: Task, pool: int, now: float, *, lost: bool) -> None:
        """A run ended: its place lasted so long, and its work went so fast."""
        seen = self._seen[pool]
        seen[0] += (now - task.began) / HOUR
        seen[1] += lost
        if now > task.began + task.lead:
            times = self._nominal.times(task.work)
            ratio = times.unit[task.way] * times.units / task.total
            name = self._start[pool].accelerator.name
            self._ratios[name, self._world.works[task.work].extractor].append(ratio)

    def look(self, now: float) -> None:
        """Make a new board where enough has changed."""
        for name, sort in self._sorts.items():
            self._learn(name, sort)
        if int(now // DAY) > self._today:
            self._next_day()
        old = self.board.pools
        pools = [self._believed(index, now) for index in range(len(old))]
        if any(_differs(one, other) for one, other in zip(old, pools, strict=True)):
            self.board = Board.of(pools)

    def _learn(self, name: str, sort: Accelerator) -> None:
        speeds = dict(sort.speeds)
        for extractor, base in sort.speeds.items():
            ratios = self._ratios.get((name, extractor), ())
            paces = [
                (0.0, Pace(megapixel_iterations=1, seconds=1, rate=base.rate_inf * ratio))
                for ratio in ratios
            ]
            speeds[extractor] = learning.speed(base, paces)
        known = self._learnt[name].speeds
        if any(_far(known[one].rate_inf, new.rate_inf) for one, new in speeds.items()):
            self._learnt[name] = sort.model_copy(update={"speeds": speeds})

    def _next_day(self) -> None:
        for index in range(len(self._seen)):
            self._past[index].append(self._exposure(index))
            self._seen[index] = [0.0, 0]
        self._today += 1

    def _exposure(self, index: int) -> Exposure:
        hours, preemptions = self._seen[index]
        name = self._start[index].name
        return Exposure(pool=name, day=self._today, hours=hours, preemptions=int(preemptions))

    def _believed(self, index: int, now: float) -> Pool:
        start, site = self._start[index], self._world.sites[index]
        changes: dict[str, object] = {
            "usd_per_hour": site.price * HOUR,
            "up": 0 if site.cold(now) else None,
            "accelerator": self._learnt[start.accelerator.name],
        }
        if start.preemption is not None:
            exposures = [*self._past[index], self._exposure(index)]
            changes["preemption"] = learning.preemption(start.preemption, exposures, now / DAY)
        return start.model_copy(update=changes)


def _differs(old: Pool, new: Pool) -> bool:
    return (
        old.up != new.up
        or old.accelerator is not new.accelerator
        or _far(old.price, new.price)
        or _far(_rate(old.preemption), _rate(new.preemption))
    )


def _rate(known: Preemption | None) -> float:
    return known.events / known.hours if known else 0.0


def _far(one: float, other: float) -> bool:
    return abs(one - other) > CHANGED * one
