"""A queue that lives as long as its process: for tests, with the rules of the real one."""

from __future__ import annotations

import threading
from collections import ChainMap, Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from farm.clock import Clock
from farm.queue.queue import Queue
from farm.queue.records import AttemptRecord
from farm.queue.rows import Changes, EventRow, JobRow, Rows, TaskRow
from farm.spec.state import JobState, TaskState


class MemoryQueue(Queue):
    """Rows in dictionaries behind one lock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._lock = threading.Lock()
        self._kept = _Kept()

    def close(self) -> None:
        """Nothing to let go of."""

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Rows]:
        with self._lock:
            rows = MemoryRows(self._kept)
            yield rows
            if write:
                rows.commit()


@dataclass
class _Kept:
    """What was committed."""

    jobs: dict[str, JobRow] = field(default_factory=dict)
    tasks: dict[str, TaskRow] = field(default_factory=dict)
    attempts: dict[int, tuple[str, AttemptRecord]] = field(default_factory=dict)
    events: dict[str, list[EventRow]] = field(default_factory=dict)
    version: int = 0
    token: int = 0


class MemoryRows:
    """``Rows`` that keep their changes to themselves until committed."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._jobs = ChainMap[str, JobRow]({}, kept.jobs)
        self._tasks = ChainMap[str, TaskRow]({}, kept.tasks)
        self._attempts = ChainMap[int, tuple[str, AttemptRecord]]({}, kept.attempts)
        self._events: list[EventRow] = []
        self._token = kept.token

    def commit(self) -> None:
        """Keep the changes."""
        kept = self._kept
        kept.jobs.update(self._jobs.maps[0])
        kept.tasks.update(self._tasks.maps[0])
        kept.attempts.update(self._attempts.maps[0])
        for row in self._events:
            kept.events.setdefault(row.job, []).append(row)
        kept.version += len(self._events)
        kept.token = self._token

    def job(self, job_id: str) -> JobRow | None:
        """A job."""
        return self._jobs.get(job_id)

    def jobs(
        self, state: JobState | None, project: str | None, limit: int, before: JobRow | None
    ) -> list[JobRow]:
        """Jobs, newest first, older than ``before``."""
        found = [
            row
            for row in self._jobs.values()
            if state in (None, row.state)
            and project in (None, row.project)
            and (before is None or _age(row) < _age(before))
        ]
        return sorted(found, key=_age, reverse=True)[:limit]

    def add_job(self, row: JobRow) -> None:
        """Insert a job."""
        self._jobs[row.id] = row

    def update_job(self, job_id: str, changes: Changes) -> None:
        """Change fields of a job."""
        self._jobs[job_id] = replace(self._jobs[job_id], **_keywords(changes))

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        return self._tasks.get(task_id)

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        found = [row for row in self._tasks.values() if row.job == job_id]
        return sorted(found, key=lambda row: row.position)

    def next_ready(self, now: float) -> TaskRow | None:
        """The task to be claimed first at ``now``."""
        ready = [
            row
            for row in self._tasks.values()
            if row.state is TaskState.READY and row.not_before <= now and _open(self._jobs[row.job])
        ]
        return min(ready, key=self._rank, default=None)

    def leased(self) -> list[TaskRow]:
        """All leased tasks, by id."""
        found = [row for row in self._tasks.values() if row.state is TaskState.LEASED]
        return sorted(found, key=lambda row: row.id)

    def add_task(self, row: TaskRow) -> None:
        """Insert a task."""
        self._tasks[row.id] = row

    def update_task(self, task_id: str, changes: Changes) -> None:
        """Change fields of a task."""
        self._tasks[task_id] = replace(self._tasks[task_id], **_keywords(changes))

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        return [record for _, (job, record) in sorted(self._attempts.items()) if job == job_id]

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        self._attempts[record.token] = (job_id, record)

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        job_id, record = self._attempts[token]
        self._attempts[token] = (job_id, record.model_copy(update=changes))

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        return [row for row in self._kept.events.get(job_id, []) if row.seq > after][:limit]

    def add_event(self, row: EventRow) -> None:
        """Append an event."""
        self._events.append(row)

    def version(self) -> int:
        """A number that grows with every event of any job."""
        return self._kept.version

    def next_token(self) -> int:
        """A fencing token, larger than any before."""
        self._token += 1
        return self._token

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        return dict(Counter(row.state for row in self._jobs.values()))

    def _rank(self, row: TaskRow) -> tuple[int, float, str, int]:
        job = self._jobs[row.job]
        return -job.priority, job.created_at, job.id, row.position


def _age(row: JobRow) -> tuple[float, str]:
    return row.created_at, row.id


def _open(job: JobRow) -> bool:
    wanted = job.state in (JobState.QUEUED, JobState.RUNNING)
    return wanted and not job.cancel_requested and not job.pause_requested


def _keywords(changes: Changes) -> dict[str, Any]:
    return dict(changes)
