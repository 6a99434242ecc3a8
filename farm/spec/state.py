"""The states of jobs and tasks, and the only moves between them."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class TaskState(StrEnum):
    """Where a task stands.

    ``ready`` ones may be claimed (at once, after a delay, or when their job's pause ends); ``waiting``
    ones not before the tasks and jobs that they come after are done.
    """

    WAITING = "waiting"
    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset(
        {JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED, JobState.FAILED}
    ),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.PAUSED, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
"""From each state, the states a job may go to. ``queued`` after an end is a retry."""

_ENDED = (TaskState.FAILED, TaskState.CANCELLED, TaskState.QUARANTINED)

TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    TaskState.WAITING: frozenset({TaskState.READY, TaskState.CANCELLED}),
    TaskState.READY: frozenset({TaskState.LEASED, TaskState.CANCELLED}),
    TaskState.LEASED: frozenset({TaskState.READY, TaskState.DONE, *_ENDED}),
    TaskState.DONE: frozenset(),
    **dict.fromkeys(_ENDED, frozenset({TaskState.READY, TaskState.WAITING})),
}
"""From each state, the states a task may go to. Only a lease can end in ``done``."""
