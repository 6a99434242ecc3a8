"""A pool over time: what is busy, warm and queued there, and what an accelerator hour has cost."""

from __future__ import annotations

import heapq
from collections import deque

from farm.route.accelerator import Pool
from farm.route.simulate.task import Task

KEEP_WARM = 300.0
"""Seconds that a machine stays up after its last task, and is paid for."""
HOUR = 3600.0


class Site:
    """The state of one pool; its policy sees all of it but ``rate``."""

    __slots__ = (
        "busy", "count", "idle_usd", "paid", "price", "queue", "queued", "rate", "rescued", "running",
        "since", "spot", "until", "warm",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.count = pool.count
        self.spot = pool.market == "spot"
        self.price = pool.price / HOUR
        """USD per accelerator second, now."""
        self.rate = 0.0
        """True preemptions per second of a gang's machine."""
        if pool.preemption is not None:
            self.rate = pool.preemption.events / pool.preemption.hours / HOUR
        self.busy = 0
        self.running: list[Task] = []
        self.warm: dict[int, deque[float]] = {}
        """By accelerators of the machine: since when each that is up has nothing to do."""
        self.paid, self.since = 0.0, 0.0
        self.queue: list[tuple[float, int, Task, int]] = []
        self.queued = 0.0
        """Accelerator seconds that wait in the queue."""
        self.until = 0.0
        """The sum, over accelerators that are busy, of the second at which they should be free."""
        self.idle_usd = 0.0
        self.rescued = 0.0
        """When it last tried to take a task from another's queue."""

    @property
    def free(self) -> int:
        """Accelerators that a task could have now."""
        return max(0, self.count - self.busy)

    def meter(self, now: float) -> float:
        """USD that an accelerator would have cost from second 0 until now."""
        return self.paid + self.price * (now - self.since)

    def reprice(self, price: float, now: float) -> None:
        """From now on an accelerator second costs ``price`` USD."""
        self.paid, self.since, self.price = self.meter(now), now, price

    def take(self, task: Task, places: int, now: float, seconds: float) -> bool:
        """Occupy places, for about so many seconds; whether the machine was up."""
        self.busy += places
        task.until = now + seconds
        self.until += places * task.until
        task.slot = len(self.running)
        self.running.append(task)
        idle = self.warm.get(places)
        if not idle:
            return False
        self._cool(idle, places, now)
        if not idle:
            return False
        self.idle_usd += (now - idle.pop()) * places * self.price
        return True

    def give(self, task: Task, places: int, now: float, *, lost: bool) -> None:
        """Free what a task had; a machine that was not taken away stays up for a while."""
        self.busy -= places
        self.until -= places * task.until
        last = self.running.pop()
        if last is not task:
            self.running[task.slot], last.slot = last, task.slot
        if not lost:
            self.warm.setdefault(places, deque()).append(now)

    def close(self, now: float) -> None:
        """Pay for machines that are still up without work, as long as they are kept."""
        for places, idle in self.warm.items():
            for since in idle:
                self.idle_usd += min(KEEP_WARM, max(0.0, now - since)) * places * self.price
            idle.clear()

    def cold(self, now: float) -> bool:
        """Whether no machine is up here."""
        for places, idle in self.warm.items():
            self._cool(idle, places, now)
        return not self.busy and not any(self.warm.values())

    def enqueue(self, task: Task, latest: float, order: int, seconds: float) -> None:
        """Let a task wait here, ahead of those that may begin later than ``latest``."""
        task.version += 1
        task.waits_for = seconds
        self.queued += seconds
        heapq.heappush(self.queue, (latest, order, task, task.version))

    def leave(self, task: Task) -> None:
        """Take a task off the queue; its entry is passed over later."""
        task.version += 1
        self.queued = max(0.0, self.queued - task.waits_for)

    def head(self) -> Task | None:
        """The first in the queue."""
        queue = self.queue
        while queue:
            _, _, task, version = queue[0]
            if task.version == version:
                return task
            heapq.heappop(queue)
        self.queued = 0.0
        return None

    def _cool(self, idle: deque[float], places: int, now: float) -> None:
        while idle and now - idle[0] > KEEP_WARM:
            idle.popleft()
            self.idle_usd += KEEP_WARM * places * self.price
