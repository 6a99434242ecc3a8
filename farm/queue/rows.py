"""Rows of the queue, and the few things a transaction can do with them.

All rules of the queue are written against ``Rows``; a kind of database is one implementation of it.
Where a database locks rows rather than the whole file, ``job``, ``task`` and ``next_ready`` are the
reads that lock, the last one skipping what is locked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from farm.queue.records import AttemptRecord
from farm.spec.job import Job
from farm.spec.record import JobRecord, Lease, TaskRecord
from farm.spec.state import JobState, TaskState

Changes = Mapping[str, object]
"""New values by field name."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job; ``spec`` is its canonical JSON, ``seq`` the number of its newest event."""

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

    def record(self) -> JobRecord:
        """The job as callers see it."""
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
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task; ``token``, ``worker`` and ``lease_expires_at`` are set while it is leased."""

    id: str
    job: str
    position: int
    state: TaskState
    attempt: int = 0
    failures: int = 0
    not_before: float = 0.0
    checkpoint: str | None = None
    worker: str | None = None
    lease_expires_at: float | None = None
    token: int | None = None
    result: str | None = None

    def record(self) -> TaskRecord:
        """The task as callers see it."""
        return TaskRecord(
            id=self.id,
            job=self.job,
            state=self.state,
            attempt=self.attempt,
            failures=self.failures,
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
        )


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event; ``body`` is its JSON."""

    job: str
    seq: int
    at: float
    kind: str
    body: str


class Rows(Protocol):
    """What one open transaction can read and write."""

    def job(self, job_id: str) -> JobRow | None:
        """A job."""
        ...

    def jobs(
        self, state: JobState | None, project: str | None, limit: int, before: JobRow | None
    ) -> list[JobRow]:
        """Jobs, newest first, older than ``before``."""
        ...

    def add_job(self, row: JobRow) -> None:
        """Insert a job."""
        ...

    def update_job(self, job_id: str, changes: Changes) -> None:
        """Change fields of a job."""
        ...

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        ...

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        ...

    def next_ready(self, now: float) -> TaskRow | None:
        """The task to be claimed first at ``now``."""
        ...

    def leased(self) -> list[TaskRow]:
        """All leased tasks, by id."""
        ...

    def add_task(self, row: TaskRow) -> None:
        """Insert a task."""
        ...

    def update_task(self, task_id: str, changes: Changes) -> None:
        """Change fields of a task."""
        ...

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        ...

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        ...

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        ...

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        ...

    def add_event(self, row: EventRow) -> None:
        """Append an event."""
        ...

    def version(self) -> int:
        """A number that grows with every event of any job."""
        ...

    def next_token(self) -> int:
        """A fencing token, larger than any before."""
        ...

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        ...


def canonical(spec: Job) -> str:
    """The one JSON text of a spec, whatever order its labels were written in."""
    data: dict[str, Any] = spec.model_dump(mode="json")
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
