"""Any sequence of orders, claims, writes and losses, through two queues on one database."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from audit import findings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from queue_cases import address, job_spec, lose, offer, progress, restart, routed, within_cap

from farm.clock import ManualClock
from farm.errors import IllegalTransition, InvalidInput, Refused, StaleLease
from farm.queue import AttemptRecord, MemoryQueue, Queue, SqlQueue, open_queue
from farm.spec import JobState, Lease, TaskSpec, TaskState
from farm.spec.cost import Period
from farm.spec.event import Checkpointed, Done, Started
from farm.spec.state import JOB_MOVES

NAMES = ("a", "b", "c", "d")
PROJECTS = ("p", "q")
SHAPES: tuple[tuple[TaskSpec, ...], ...] = (
    (TaskSpec(name="x"),),
    (TaskSpec(name="x"), TaskSpec(name="y")),
    (TaskSpec(name="x"), TaskSpec(name="y", after=("x",))),
    (TaskSpec(name="z", after=("x", "y")), TaskSpec(name="x"), TaskSpec(name="y")),
)
ENDS = {JobState.DONE: "done", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}
Write = Callable[[Queue, Lease], object]


def checkpoint(queue: Queue, lease: Lease) -> object:
    blob = f"{lease.token:064x}"
    return queue.checkpoint(
        lease,
        Checkpointed(task=lease.task, attempt=lease.attempt, blob=blob, scale=1, iteration=1),
    )


def start(queue: Queue, lease: Lease) -> object:
    started = Started(task=lease.task, attempt=lease.attempt, worker="w", node=f"n{lease.token % 2}")
    return queue.record(lease, routed(lease), started, progress(lease))


WRITES: tuple[Write, ...] = (
    lambda queue, lease: queue.heartbeat(lease, 30),
    start,
    checkpoint,
    lambda queue, lease: queue.complete(lease, Done()),
    lambda queue, lease: queue.retry(lease, "out_of_memory", "no memory", delay=5),
    lambda queue, lease: queue.retry(lease, "lost", "gone", counts=False, lost=True),
    lambda queue, lease: queue.fail(lease, "invalid", "bad"),
    lambda queue, lease: queue.quarantine(lease, "unknown", "odd"),
    lambda queue, lease: queue.stopped(lease),
    lambda queue, lease: queue.park(lease, "the cap is reached", 0.5),
)
ORDERS: dict[str, Callable[[Queue, str], object]] = {
    "cancel": lambda queue, job: queue.cancel(job),
    "cancel at once": lambda queue, job: queue.cancel(job, at_once=True),
    "pause": lambda queue, job: queue.pause(job),
    "resume": lambda queue, job: queue.resume(job),
    "retry": lambda queue, job: queue.retry_job(job),
    "retry x": lambda queue, job: queue.retry_tasks(job, ["x"]),
}


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
        url = address(self.kind, self.folder)
        return open_queue(url, self.clock), open_queue(url, self.clock)

    def teardown(self) -> None:
        for queue in self.queues:
            queue.close()
        shutil.rmtree(self.folder)

    @rule(
        name=st.sampled_from(NAMES), tasks=st.sampled_from(SHAPES), door=st.integers(0, 1),
        project=st.sampled_from(PROJECTS), data=st.data(),
    )  # fmt: skip
    def add(
        self, name: str, tasks: tuple[TaskSpec, ...], door: int, project: str, data: st.DataObject
    ) -> None:
        if name in self.states:
            return
        known = sorted(self.states)
        after = data.draw(st.lists(st.sampled_from(known), max_size=2)) if known else []
        given = offer(usd) if (usd := data.draw(st.sampled_from([0.0, 0.25, 2.0]))) else None
        spec = job_spec(project=project, after=after)
        try:
            self.queues[door].add(name, spec, tasks=tasks, offer=given)
        except Refused:
            return
        self.states[name] = JobState.QUEUED

    @rule(
        project=st.sampled_from(PROJECTS), limit=st.sampled_from([None, 0, 1, 2]),
        weight=st.sampled_from([0.5, 1.0, 3.0]), door=st.integers(0, 1),
    )  # fmt: skip
    def share(self, project: str, limit: int | None, weight: float, door: int) -> None:
        running = {p.name: p.running for p in self.queues[door].projects()}.get(project, 0)
        # Lowering a limit stops nothing that runs; what the audit asks is that no claim passes it.
        limit = None if limit is None else max(limit, running)
        self.queues[door].set_project(project, weight=weight, max_running=limit)

    @rule(
        project=st.sampled_from(PROJECTS), cap=st.sampled_from([None, 0.5, 5.0]),
        period=st.sampled_from(["day", "total"]), door=st.integers(0, 1),
    )  # fmt: skip
    def cap(self, project: str, cap: float | None, period: Period, door: int) -> None:
        self.queues[door].set_cap(project, cap, period)

    @rule(door=st.integers(0, 1))
    def take_up(self, door: int) -> None:
        for name in self.queues[door].unpark(within_cap):
            assert self.queues[door].job(name).state is JobState.QUEUED

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
    @rule(data=st.data(), order=st.sampled_from(sorted(ORDERS)), door=st.integers(0, 1))
    def order(self, data: st.DataObject, order: str, door: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.states)))
        queue = self.queues[door]
        before = queue.job(name), queue.version()
        try:
            ORDERS[order](queue, name)
        except (IllegalTransition, InvalidInput):
            assert (queue.job(name), queue.version()) == before

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0]), door=st.integers(0, 1))
    def wait_and_lose(self, seconds: float, door: int) -> None:
        self.clock.advance(seconds)
        ends = (TaskState.READY, TaskState.CANCELLED, TaskState.QUARANTINED)
        for task in lose(self.queues[door]):
            assert task.state in ends

    @rule(door=st.integers(0, 1))
    def restart(self, door: int) -> None:
        restart(self.queues[door], "h1/")
        assert self.queues[door].held("h1/") == []

    def attempt(self, lease: Lease) -> AttemptRecord:
        found = self.queues[0].attempts(lease.job)
        return next(attempt for attempt in found if attempt.token == lease.token)

    @invariant()
    def facts_fit_together(self) -> None:
        for name in self.states:
            self.check_log(name)
            self.check_leases(name)
            self.check_state(name)
        self.check_shares()
        queue = self.queues[1]
        if isinstance(queue, SqlQueue):
            assert findings(queue) == {}

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
        job, tasks = self.queues[0].job(name), self.queues[0].tasks(name)
        states = {task.state for task in tasks}
        assert job.tasks == dict(Counter(task.state.value for task in tasks))
        assert (job.state is JobState.RUNNING) == (TaskState.LEASED in states)
        assert (job.state is JobState.DONE) == (states == {TaskState.DONE})
        assert not job.cancel_requested or job.state is JobState.RUNNING
        before, self.states[name] = self.states[name], job.state
        assert job.state in reachable(before)

    def check_shares(self) -> None:
        jobs = [self.queues[0].job(name) for name in self.states]
        for project in self.queues[0].projects():
            running = sum(job.tasks.get("leased", 0) for job in jobs if job.project == project.name)
            assert project.running == running
            assert project.max_running is None or running <= project.max_running


def reachable(state: JobState) -> set[JobState]:
    """Where one call may bring a job; a claim or an end passes one move, never more."""
    return {state, *JOB_MOVES[state]}


class MemoryMachine(Machine):
    """In memory."""

    kind = "memory"


class SqliteMachine(Machine):
    """Two queues on one file."""

    kind = "sqlite"


class PostgresMachine(Machine):
    """Two queues on one server."""

    kind = "postgres"
