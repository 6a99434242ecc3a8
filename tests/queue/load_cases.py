"""Many simulated workers on one queue: some stall, are given up for lost, and come back late."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field

from audit import findings
from queue_cases import job_spec, lose, progress

from farm.clock import ManualClock
from farm.errors import StaleLease
from farm.queue import SqlQueue, open_queue
from farm.spec import JobState, Lease
from farm.spec.event import Done, Started

LEASE = 30.0
PROJECTS = 4
TASKS_PER_JOB = 50


@dataclass
class Worker:
    """A worker that does one thing each time it is its turn."""

    name: str
    chance: random.Random
    lease: Lease | None = None
    stalled: bool = False
    told: Counter[str] = field(default_factory=Counter)

    def turn(self, queue: SqlQueue, now: float) -> None:
        if self.lease is None:
            self.begin(queue)
        elif self.stalled and now < self.lease.expires_at + 2 * LEASE:
            return
        else:
            self.end(queue, self.lease)

    def begin(self, queue: SqlQueue) -> None:
        self.lease = queue.claim(self.name, LEASE)
        if self.lease is None:
            self.told["idle"] += 1
            return
        self.told["claimed"] += 1
        self.stalled = self.chance.random() < 0.03

    def end(self, queue: SqlQueue, lease: Lease) -> None:
        """Write with a lease that, after a stall, somebody else may hold by now."""
        self.lease, chance = None, self.chance.random()
        try:
            if chance < 0.1:
                node = f"n{self.chance.randrange(50)}"
                started = Started(task=lease.task, attempt=lease.attempt, worker=self.name, node=node)
                queue.record(lease, started, progress(lease))
            if chance > 0.97:
                queue.retry(lease, "unknown", "odd", delay=self.chance.choice([0.0, 5.0]))
                self.told["retried"] += 1
            else:
                queue.complete(lease, Done())
                self.told["completed"] += 1
        except StaleLease:
            self.told["refused"] += 1


class Load:
    """A whole farm of workers on one database, driven by a few threads."""

    def __init__(self, url: str, *, workers: int, tasks: int, threads: int = 4) -> None:
        self.clock = ManualClock()
        self.queues = [open_queue(url, self.clock) for _ in range(2)]
        self.tasks = tasks
        chance = random.Random(7)
        everyone = [Worker(f"h{n % 40}/w{n}", random.Random(chance.random())) for n in range(workers)]
        self.crews = [everyone[index::threads] for index in range(threads)]
        self.workers = everyone
        self.over = threading.Event()
        self.wrong: list[object] = []
        self.seen: dict[str, int] = {}

    def fill(self) -> None:
        queue = self.queues[0]
        for index in range(PROJECTS):
            limit = None if index else max(2, len(self.workers) // 10)
            queue.set_project(f"p{index}", weight=1.0 + index, max_running=limit)
        names = [f"t{index}" for index in range(TASKS_PER_JOB)]
        for index in range(self.tasks // TASKS_PER_JOB):
            after = [f"job-{index - 7}"] if index % 10 == 9 else []
            spec = job_spec(project=f"p{index % PROJECTS}", priority=index % 100, after=after)
            queue.add(f"job-{index}", spec, tasks=names)

    def run(self) -> None:
        """Work until all is done; what goes wrong in a thread is kept."""
        works = [lambda crew=crew, n=n: self.drive(crew, n) for n, crew in enumerate(self.crews)]
        threads = [
            threading.Thread(target=self.guarded, args=(work,))
            for work in (*works, self.lose, self.read)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def guarded(self, work: object) -> None:
        assert callable(work)
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            self.wrong.append(error)
            self.over.set()

    def drive(self, crew: list[Worker], index: int) -> None:
        queue = self.queues[index % 2]
        while not self.over.is_set():
            for worker in crew:
                if self.over.is_set():
                    return
                worker.turn(queue, self.clock.now())

    def lose(self) -> None:
        """Let time pass, take back what ran out, and look at the whole now and then."""
        queue, looks = self.queues[0], 0
        while not self.over.wait(0.05):
            self.clock.advance(2.0)
            lose(queue)
            looks += 1
            if looks % 40 == 0:
                self.audit()
            for job in queue.jobs(state=JobState.FAILED):
                queue.retry_job(job.id)
            counts = queue.counts()
            if counts["done"] == sum(counts.values()):
                self.over.set()

    def read(self) -> None:
        """Follow the log of some jobs as a client does: no number may be missing or come twice."""
        queue, version = self.queues[1], 0
        while not self.over.is_set():
            version = queue.wait(version, 0.5)
            for job in ("job-0", "job-1", "job-9"):
                after = self.seen.get(job, 0)
                for event in queue.events(job, after=after):
                    after += 1
                    if event.seq != after:
                        self.wrong.append(f"{job}: event {event.seq} came where {after} was due")
                self.seen[job] = after

    def audit(self) -> None:
        found = findings(self.queues[0])
        if found:
            self.wrong.append(found)
            self.over.set()

    def told(self) -> Counter[str]:
        return sum((worker.told for worker in self.workers), Counter())

    def close(self) -> None:
        for queue in self.queues:
            queue.close()
