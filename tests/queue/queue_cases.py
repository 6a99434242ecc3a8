"""Both kinds of queue with a clock that the test moves, and jobs to put in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postgres_cases import emptied

from farm.clock import ManualClock
from farm.errors import Refused, StaleLease
from farm.queue import MemoryQueue, Offer, Queue, open_queue
from farm.spec import Decision, Job, JobState, Lease, Option, TaskRecord, parse_job
from farm.spec.cost import Account, Quoted
from farm.spec.event import Progress, Routed

KINDS = ("memory", "sqlite", "postgres")


def job_spec(**changes: Any) -> Job:
    spec = {"farm": 1, "kind": "print", "content": "a.png", "styles": [{"name": "waves"}]}
    return parse_job({**spec, "output": {"long_edge": 512}, **changes})


def progress(lease: Lease, iteration: int = 1) -> Progress:
    return Progress(
        task=lease.task, attempt=lease.attempt, scale=1, scales=2, width=64, height=64,
        iteration=iteration, iterations=10, loss=0.5, share=0.1,
    )  # fmt: skip


def routed(lease: Lease, pool: str = "spot", usd_hour: float = 3600.0, devices: int = 1) -> Routed:
    """On a pool that costs a dollar a second unless told otherwise."""
    way = Option(
        pool=pool, accelerator="card", p50_seconds=10, p90_seconds=20, p50_usd=10, p90_usd=20,
        devices=devices, market="spot", usd_per_hour=usd_hour,
    )  # fmt: skip
    return Routed(task=lease.task, decision=Decision(chosen=way, reason="the only one"))


def quoted(p90_usd: float, p50_usd: float | None = None) -> Quoted:
    p50 = p90_usd / 2 if p50_usd is None else p50_usd
    return Quoted(
        pool="spot", p50_seconds=10, p90_seconds=20, p50_usd=p50, p90_usd=p90_usd,
        megapixel_iterations=5.0,
    )  # fmt: skip


def within_cap(account: Account, usd: float) -> None:
    """The rule that tests go by."""
    if account.cap_usd is not None and account.spent_usd + account.reserved_usd + usd > account.cap_usd:
        raise Refused(f"cap of {account.cap_usd}")


def offer(p90_usd: float, p50_usd: float | None = None) -> Offer:
    return Offer(quoted(p90_usd, p50_usd), within_cap)


@dataclass
class Case:
    """A queue under test."""

    queue: Queue
    clock: ManualClock

    def add(self, job_id: str = "j1", tasks: tuple[str, ...] = ("print",), **changes: Any) -> str:
        self.queue.add(job_id, job_spec(**changes), tasks=tasks)
        return job_id

    def claim(self, worker: str = "w1", ttl: float = 30.0) -> Lease:
        lease = self.queue.claim(worker, ttl)
        assert lease is not None
        return lease

    def state(self, job_id: str = "j1") -> JobState:
        return self.queue.job(job_id).state

    def task(self, job_id: str = "j1") -> TaskRecord:
        return self.queue.tasks(job_id)[0]

    def kinds(self, job_id: str = "j1") -> list[str]:
        events = self.queue.events(job_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert self.queue.job(job_id).seq == len(events)
        return [event.kind for event in events]


def lose(queue: Queue) -> list[TaskRecord]:
    """Give back what ran out, as a dispatcher does that has ended the attempts; the tasks then."""
    lost = []
    for lease in queue.expired():
        try:
            queue.retry(lease, "lost", "no heartbeat in time", counts=False, lost=True)
        except StaleLease:
            continue  # somebody else was faster
        lost.append(lease)
    return [task for lease in lost for task in queue.tasks(lease.job) if task.id == lease.task]


def restart(queue: Queue, family: str) -> int:
    """Give back what a dispatcher's workers held, as its successor does; how many tasks."""
    held = queue.held(family)
    for lease in held:
        queue.retry(lease, "restart", "the dispatcher was started again", counts=False)
    return len(held)


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'farm.db'}"


def address(kind: str, folder: Path) -> str:
    """The URL of an empty database."""
    return database(folder) if kind == "sqlite" else emptied()


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Case]:
    clock = ManualClock()
    queue = MemoryQueue(clock) if kind == "memory" else open_queue(address(kind, folder), clock)
    try:
        yield Case(queue, clock)
    finally:
        queue.close()
