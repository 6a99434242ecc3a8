"""Any sequence of orders, claims, writes and losses, through two queues on one file or in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from queue_cases import database, job_spec, progress

from farm.clock import ManualClock
from farm.errors import IllegalTransition, StaleLease
from farm.queue import AttemptRecord, MemoryQueue, Queue, open_queue
from farm.spec import JobState, Lease, TaskState
from farm.spec.event import Checkpointed, Done
from farm.spec.state import JOB_MOVES

NAMES = ("a", "b", "c")
ENDS = {JobState.DONE: "done", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}
Write = Callable[[Queue, Lease], object]


def checkpoint(queue: Queue, lease: Lease) -> object:
    blob = f"{lease.token:064x}"
    return queue.checkpoint(
        lease,
        Checkpointed(task=lease.task, attempt=lease.attempt, blob=blob, scale=1, iteration=1),
    )


WRITES: tuple[Write, ...] = (
    lambda queue, lease: queue.heartbeat(lease, 30),
    lambda queue, lease: queue.record(lease, progress(lease), progress(lease)),
    checkpoint,
    lambda queue, lease: queue.complete(lease, Done()),
    lambda queue, lease: queue.retry(lease, "oom", "no memory", delay=5),
    lambda queue, lease: queue.fail(lease, "input", "bad"),
    lambda queue, lease: queue.stopped(lease),
)


class Machine(RuleBasedStateMachine):
    """Two ways into one queue; after every step its facts must fit together."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.folder = Path(tempfile.mkdtemp())
        self.queues = self.open_two()
        self.leases: list[Lease] = []
        self.states: dict[str, JobState] = {}

    def open_two(self) -> tuple[Queue, Queue]:
        if self.kind == "memory":
            queue = MemoryQueue(self.clock)
            return queue, queue
        url = database(self.folder)
        return open_queue(url, self.clock), open_queue(url, self.clock)

    def teardown(self) -> None:
        for queue in self.queues:
            queue.close()
        shutil.rmtree(self.folder)

    @rule(name=st.sampled_from(NAMES), tasks=st.integers(1, 2), door=st.integers(0, 1))
    def add(self, name: str, tasks: int, door: int) -> None:
        if name not in self.states:
            self.queues[door].add(name, job_spec(), tasks=("x", "y")[:tasks])
            self.states[name] = JobState.QUEUED

    @rule(worker=st.sampled_from(["h1/a", "h2/b"]), door=st.integers(0, 1))
    def claim(self, worker: str, door: int) -> None:
        lease = self.queues[door].claim(worker, 30)
        if lease is not None:
            assert all(lease.token > older.token for older in self.leases)
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), write=st.sampled_from(WRITES), door=st.integers(0, 1))
    def write(self, data: st.DataObject, write: Write, door: int) -> None:
        lease = data.draw(st.sampled_from(self.leases[-4:]))
        queue = self.queues[door]
        before = queue.version(), queue.tasks(lease.job), queue.attempts(lease.job)
        if self.attempt(lease).ended is None:
            write(queue, lease)
            return
        with pytest.raises(StaleLease):
            write(queue, lease)
        assert (queue.version(), queue.tasks(lease.job), queue.attempts(lease.job)) == before

    @precondition(lambda self: self.states)
    @rule(
        data=st.data(),
        order=st.sampled_from(["cancel", "pause", "resume", "retry_job"]),
        door=st.integers(0, 1),
    )
    def order(self, data: st.DataObject, order: str, door: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.states)))
        queue = self.queues[door]
        before = queue.job(name), queue.version()
        try:
            getattr(queue, order)(name)
        except IllegalTransition:
            assert (queue.job(name), queue.version()) == before

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0]), door=st.integers(0, 1))
    def wait_and_reap(self, seconds: float, door: int) -> None:
        self.clock.advance(seconds)
        for task in self.queues[door].reap():
            assert task.state in (TaskState.READY, TaskState.CANCELLED)

    @rule(door=st.integers(0, 1))
    def restart(self, door: int) -> None:
        self.queues[door].release_worker("h1/")
        for name in self.states:
            assert not any(str(t.worker).startswith("h1/") for t in self.queues[door].tasks(name))

    def attempt(self, lease: Lease) -> AttemptRecord:
        found = self.queues[0].attempts(lease.job)
        return next(attempt for attempt in found if attempt.token == lease.token)

    @invariant()
    def facts_fit_together(self) -> None:
        for name in self.states:
            self.check_log(name)
            self.check_leases(name)
            self.check_state(name)

    def check_log(self, name: str) -> None:
        job, events = self.queues[0].job(name), self.queues[1].events(name)
        assert [event.seq for event in events] == list(range(1, job.seq + 1))
        kinds = [event.kind for event in events]
        if job.state in ENDS:
            assert kinds[-1] == ENDS[job.state]

    def check_leases(self, name: str) -> None:
        attempts = self.queues[0].attempts(name)
        live = Counter(attempt.task for attempt in attempts if attempt.ended is None)
        leased = [t.id for t in self.queues[1].tasks(name) if t.state is TaskState.LEASED]
        assert live == Counter(leased)
        assert all((attempt.ended is None) == (attempt.outcome is None) for attempt in attempts)

    def check_state(self, name: str) -> None:
        job = self.queues[0].job(name)
        tasks = {task.state for task in self.queues[0].tasks(name)}
        assert (job.state is JobState.RUNNING) == (TaskState.LEASED in tasks)
        assert (job.state is JobState.DONE) == (tasks == {TaskState.DONE})
        assert not job.cancel_requested or job.state is JobState.RUNNING
        before, self.states[name] = self.states[name], job.state
        assert job.state in reachable(before)


def reachable(state: JobState) -> set[JobState]:
    """Where one call may bring a job; a claim or an end passes one move, never more."""
    return {state, *JOB_MOVES[state]}


class MemoryMachine(Machine):
    """In memory."""

    kind = "memory"


class SqliteMachine(Machine):
    """Two queues on one file."""

    kind = "sqlite"


LIMITS = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = LIMITS
TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(LIMITS, max_examples=15)
