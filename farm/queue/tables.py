"""The tables. Times are seconds since the epoch, UTC; specs, results and events are JSON texts."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    Boolean,
    Column,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from farm.spec.state import JobState, TaskState

SCHEMA_VERSION = 1
"""Raised by one with every change to these tables."""

TOKENS = "tokens"
"""The counter that fencing tokens come from."""


def _state(states: type[StrEnum]) -> Enum:
    return Enum(
        states, native_enum=False, length=16, values_callable=lambda enum: [s.value for s in enum]
    )


metadata = MetaData()

schema_version = Table(
    "schema_version", metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)  # fmt: skip

counters = Table(
    "counters", metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)  # fmt: skip

jobs = Table(
    "jobs", metadata,
    Column("id", String(64), primary_key=True),
    Column("spec", Text, nullable=False),
    Column("state", _state(JobState), nullable=False),
    Column("project", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("pause_requested", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Index("jobs_by_age", "created_at", "id"),
    Index("jobs_by_state", "state", "created_at"),
)  # fmt: skip

tasks = Table(
    "tasks", metadata,
    Column("id", String(160), primary_key=True),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("state", _state(TaskState), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("checkpoint", String(64)),
    Column("worker", String(200)),
    Column("lease_expires_at", Float),
    Column("token", Integer),
    Column("result", Text),
    Index("tasks_by_state", "state", "not_before"),
)  # fmt: skip

attempts = Table(
    "attempts", metadata,
    Column("token", Integer, primary_key=True, autoincrement=False),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("task", String(160), ForeignKey("tasks.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", String(200), nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("outcome", String(16)),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("task", "attempt"),
)  # fmt: skip

events = Table(
    "events", metadata,
    Column("position", Integer, primary_key=True),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("job", "seq"),
    sqlite_autoincrement=True,
)  # fmt: skip
