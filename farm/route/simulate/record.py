"""What a simulation writes down: of every order, of every pool, and every few minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from farm.route.simulate.ledger import Ledger
from farm.route.simulate.site import Site
from farm.route.simulate.task import Task
from farm.route.simulate.trace import Flags, Floats, Trace

NEVER = float("inf")


@dataclass
class Samples:
    """The state at regular seconds: accelerators there and busy by pool, open orders, USD an hour."""

    at: list[float] = field(default_factory=list)
    there: list[list[int]] = field(default_factory=list)
    busy: list[list[int]] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    usd_hour: list[float] = field(default_factory=list)


class Record:
    """The history of one policy on one trace. Seconds are of the trace, infinite for never."""

    def __init__(self, trace: Trace, policy: str, admitted: Flags) -> None:
        count = len(trace.orders)
        self.trace, self.policy, self.admitted = trace, policy, admitted
        self._began: list[float] = [NEVER] * count
        self._ended: list[float] = [NEVER] * count
        self._usd: list[float] = [0.0] * count
        self._parked: list[int] = []
        self.runs = self.preemptions = self.moved = 0
        self.held_seconds = [0.0] * len(trace.pools)
        """Accelerator seconds that were paid for runs, by pool."""
        self.starting_usd = self.lost_usd = self.idle_usd = 0.0
        """For boots and start-ups; for work that no checkpoint held; for machines kept warm."""
        self.dearest_interval_usd = [0.0] * len(trace.projects)
        """What one checkpoint interval of one run costs at most, with its start, by project."""
        self.spent: list[float] = []
        """USD by project."""
        self.seconds = 0.0
        self.samples = Samples()

    @property
    def began(self) -> Floats:
        """When each order first got accelerators."""
        return np.array(self._began)

    @property
    def ended(self) -> Floats:
        """When each order was done."""
        return np.array(self._ended)

    @property
    def usd(self) -> Floats:
        """What each order has cost."""
        return np.array(self._usd)

    @property
    def parked(self) -> Flags:
        """The orders that their project's cap left undone."""
        found = np.zeros(len(self._ended), dtype=bool)
        found[self._parked] = True
        return found

    def begin(self, task: Task, now: float, usd_second: float) -> None:
        """A run begins that costs ``usd_second``."""
        self.runs += 1
        if self._began[task.index] == NEVER:
            self._began[task.index] = now
        interval = (task.lead + task.interval + task.save) * usd_second
        if interval > self.dearest_interval_usd[task.project]:
            self.dearest_interval_usd[task.project] = interval

    def end(self, task: Task, pool: int, now: float, places: int, usd: float, kept: float) -> None:
        """A run ends that cost ``usd``; ``kept`` of its productive seconds are in a checkpoint."""
        held = now - task.began
        self.held_seconds[pool] += places * held
        self._usd[task.index] += usd
        if held > 0:
            self.starting_usd += usd * min(1.0, task.lead / held)
            self.lost_usd += usd * max(0.0, task.done(now) - kept) / held

    def done(self, task: Task, now: float) -> None:
        """An order is done."""
        self._ended[task.index] = now

    def park(self, task: Task) -> None:
        """An order will not be done."""
        self._parked.append(task.index)

    def sample(self, now: float, sites: Sequence[Site], waiting: int) -> None:
        """Write the state down."""
        samples = self.samples
        samples.at.append(now)
        samples.there.append([site.count for site in sites])
        samples.busy.append([site.busy for site in sites])
        samples.open.append(waiting)
        samples.usd_hour.append(sum(site.busy * site.price for site in sites) * 3600)

    def close(self, now: float, sites: Sequence[Site], ledger: Ledger) -> None:
        """The last order is done."""
        for site in sites:
            site.close(float("inf"))
            self.idle_usd += site.idle_usd
        self.seconds, self.spent = now, list(ledger.spent)
