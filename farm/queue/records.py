"""What the queue tells its callers beyond the records of the spec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farm.spec.base import Value
from farm.spec.record import Lease

Outcome = Literal["done", "failed", "retry", "lost", "paused", "cancelled", "quarantined"]
"""How an attempt ended. ``lost``: its worker fell silent or died, or the dispatcher was restarted."""


class AttemptRecord(Value):
    """One attempt at a task, from its claim to its end."""

    task: str
    attempt: int = Field(description="Counts from 1 within the task.")
    token: int
    worker: str
    node: str = Field(default="", description="Where it ran, once its start was recorded.")
    started: float = Field(description="Seconds since the epoch, UTC.")
    ended: float | None = None
    outcome: Outcome | None = None
    cause: str = ""
    reason: str = ""


class Heartbeat(Value):
    """The renewed lease, and what has been asked of the job meanwhile."""

    lease: Lease
    cancel_requested: bool
    pause_requested: bool


class ProjectRecord(Value):
    """A project's share of the farm, and what it has of it now."""

    name: str
    weight: float = Field(default=1.0, description="Its share beside the other projects'.")
    max_running: int | None = Field(default=None, description="Most tasks at once; None: no limit.")
    running: int = Field(default=0, description="Tasks under a lease.")
    ready: int = Field(default=0, description="Tasks to be claimed now or when their delay is over.")


class NodeRecord(Value):
    """A machine that attempts have failed on."""

    name: str
    failed_tasks: int = Field(description="Different tasks that failed there since its last success.")
    out: bool = Field(default=False, description="Whether it is to get no more tasks.")
    reason: str = ""
    since: float | None = Field(default=None, description="When it was taken out, seconds UTC.")
