"""A job, a task and an event as a database keeps them: plain values, equal for every kind of queue."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from farm.queue.records import AttemptRecord
from farm.spec.job import Job
from farm.spec.record import JobRecord, Lease, TaskRecord
from farm.spec.state import JobState, TaskState

LONGEST_LABEL = 200
"""Characters of a label that an index can hold; longer ones are looked up by their hash."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job; ``spec`` is its canonical JSON, ``seq`` the number of its newest event.

    ``unmet`` counts the jobs it comes after that are not done. The fields named by the states of tasks
    count its tasks, and ``delayed`` those of the ready ones whose delay is not over. ``rank`` and
    ``claimable`` follow from the others: they are what claims go by.
    """

    id: str
    spec: str
    state: JobState
    project: str
    priority: int
    created_at: float
    updated_at: float
    seq: int = 0
    cancel_requested: bool = False
    pause_requested: bool = False
    reason: str = ""
    unmet: int = 0
    waiting: int = 0
    ready: int = 0
    leased: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    quarantined: int = 0
    delayed: int = 0
    rank: int = 0
    claimable: int = 0

    @property
    def open(self) -> bool:
        """Whether its tasks may be claimed."""
        wanted = self.state in (JobState.QUEUED, JobState.RUNNING)
        return wanted and not (self.cancel_requested or self.pause_requested or self.unmet)

    @property
    def wanted(self) -> int:
        """Tasks that may be claimed now or when their delay is over."""
        return self.ready if self.open else 0

    def derived(self) -> JobRow:
        """The same with ``rank`` and ``claimable`` as they follow from the rest."""
        claimable = self.ready - self.delayed if self.open else 0
        return replace(self, rank=100 - self.priority, claimable=claimable)

    def counted(self, state: TaskState, number: int) -> JobRow:
        """The same with ``number`` more tasks in ``state``."""
        changes: dict[str, Any] = {state.value: getattr(self, state.value) + number}
        return replace(self, **changes)

    def record(self) -> JobRecord:
        """The job as callers see it."""
        counts = {state.value: getattr(self, state.value) for state in TaskState}
        return JobRecord(
            id=self.id,
            spec=json.loads(self.spec),
            state=self.state,
            project=self.project,
            priority=self.priority,
            created_at=self.created_at,
            updated_at=self.updated_at,
            seq=self.seq,
            cancel_requested=self.cancel_requested,
            pause_requested=self.pause_requested,
            reason=self.reason,
            tasks={state: number for state, number in counts.items() if number},
        )


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task; ``token``, ``worker``, ``node`` and ``lease_expires_at`` are set while it is leased.

    ``after`` names the tasks it comes after, with spaces between; ``unmet`` counts those that are not
    done. ``delayed`` is whether it is ready but its ``not_before`` was not over when last looked at.
    """

    id: str
    job: str
    position: int
    state: TaskState
    after: str = ""
    unmet: int = 0
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    not_before: float = 0.0
    delayed: bool = False
    checkpoint: str | None = None
    worker: str | None = None
    node: str | None = None
    lease_expires_at: float | None = None
    token: int | None = None
    result: str | None = None

    @property
    def name(self) -> str:
        """Its name within its job."""
        return self.id.rpartition("/")[2]

    def record(self) -> TaskRecord:
        """The task as callers see it."""
        return TaskRecord(
            id=self.id,
            job=self.job,
            name=self.name,
            after=tuple(self.after.split()),
            state=self.state,
            attempt=self.attempt,
            failures=self.failures,
            losses=self.losses,
            not_before=self.not_before,
            checkpoint=self.checkpoint,
            worker=self.worker,
            lease_expires_at=self.lease_expires_at,
            result=None if self.result is None else json.loads(self.result),
        )

    def lease(self, spec: str) -> Lease:
        """The claim on this leased task of a job with that spec."""
        assert self.token is not None
        assert self.worker is not None
        assert self.lease_expires_at is not None
        return Lease(
            task=self.id,
            job=self.job,
            attempt=self.attempt,
            token=self.token,
            worker=self.worker,
            expires_at=self.lease_expires_at,
            spec=json.loads(spec),
            checkpoint=self.checkpoint,
            failures=self.failures,
            losses=self.losses,
            task_name=self.name,
        )

    def begun(self, now: float) -> AttemptRecord:
        """The attempt that this leased task's claim begins."""
        assert self.token is not None
        assert self.worker is not None
        return AttemptRecord(
            task=self.id, attempt=self.attempt, token=self.token, worker=self.worker, started=now
        )


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event; ``body`` is its JSON."""

    job: str
    seq: int
    at: float
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Head:
    """A project that has something to claim, and the first of its jobs that has."""

    project: str
    running: int
    weight: float
    job: str
    rank: int
    created_at: float


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are listed; a field of None lets all pass."""

    state: JobState | None = None
    project: str | None = None
    label: tuple[str, str] | None = None
    beginning: str | None = None

    def admits(self, row: JobRow) -> bool:
        """Whether a job is listed."""
        if self.state not in (None, row.state) or self.project not in (None, row.project):
            return False
        if not row.id.startswith(self.beginning or ""):
            return False
        return self.label is None or labels(row).get(self.label[0]) == self.label[1]


def labels(row: JobRow) -> dict[str, str]:
    """The labels in a job's spec."""
    found: dict[str, str] = json.loads(row.spec).get("labels", {})
    return found


def label_key(text: str) -> str:
    """What an index holds of a label's name or value."""
    if len(text) <= LONGEST_LABEL and "\x00" not in text:
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical(spec: Job) -> str:
    """The one JSON text of a spec, whatever order its labels were written in."""
    data: dict[str, Any] = spec.model_dump(mode="json")
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
