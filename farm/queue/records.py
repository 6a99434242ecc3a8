"""What the queue tells its callers beyond the records of the spec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farm.spec.base import Value
from farm.spec.record import Lease

Outcome = Literal["done", "failed", "retry", "lost", "paused", "cancelled"]
"""How an attempt ended. ``lost``: its worker fell silent or the dispatcher was restarted."""


class AttemptRecord(Value):
    """One attempt at a task, from its claim to its end."""

    task: str
    attempt: int = Field(description="Counts from 1 within the task.")
    token: int
    worker: str
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
