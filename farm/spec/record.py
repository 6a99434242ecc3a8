"""Rows of the queue as values: a job, a task, and a worker's claim on a task."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from farm.spec.base import Value
from farm.spec.job import Job
from farm.spec.state import JobState, TaskState


class TaskSpec(Value):
    """A task to be made: its name, unique in its job, and the names of those it comes after."""

    name: str
    after: tuple[str, ...] = ()


class JobRecord(Value):
    """A job as the queue knows it."""

    id: str
    spec: Job = Field(discriminator="kind")
    state: JobState
    project: str
    priority: int
    created_at: float
    updated_at: float
    seq: int = Field(description="Sequence number of its newest event.")
    cancel_requested: bool = False
    pause_requested: bool = False
    reason: str = ""
    tasks: dict[str, int] = Field(
        default_factory=dict, description="Number of its tasks by state; states of none are left out."
    )


class TaskRecord(Value):
    """A task as the queue knows it."""

    id: str
    job: str
    name: str = Field(default="", description="Unique in its job.")
    after: tuple[str, ...] = Field(default=(), description="Names of the tasks it comes after.")
    state: TaskState
    attempt: int = Field(description="Attempts begun so far.")
    failures: int = Field(default=0, description="Attempts that count against the limit.")
    losses: int = Field(default=0, description="Attempts that ended with a lost worker.")
    not_before: float = 0.0
    checkpoint: str | None = None
    worker: str | None = None
    lease_expires_at: float | None = None
    result: dict[str, Any] | None = None


class Lease(Value):
    """A worker's claim on a task. Every write of the worker carries it; a stale one is refused."""

    task: str
    job: str
    attempt: int
    token: int = Field(description="Fencing token: larger than any given before.")
    worker: str
    expires_at: float
    spec: Job = Field(discriminator="kind")
    checkpoint: str | None = None
    failures: int = 0
    losses: int = Field(default=0, description="Earlier attempts that ended with a lost worker.")
    task_name: str = ""
