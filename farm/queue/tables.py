"""The tables as they are now; ``farm.queue.migrations`` makes them, from nothing or from older ones.

Times are seconds since the epoch, UTC, days are counted from it; amounts are millionths of a dollar;
specs, quotes, results and events are JSON texts.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
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
    text,
)

from farm.spec.state import JobState, TaskState

SCHEMA_VERSION = 3
"""Raised by one with every change to these tables, each of which is a migration."""

TOKENS = "tokens"
"""The counter that fencing tokens come from in SQLite; PostgreSQL has a sequence."""

CLAIMABLE = "claimable > 0"
DELAYED = "delayed"
LEASED = "lease_expires_at IS NOT NULL"
PARKED = "parked <> ''"
PACED = "rate IS NOT NULL"
"""Which rows the partial indexes have; queries must say the same for an index to serve them."""

Big = BigInteger().with_variant(Integer, "sqlite")
"""A number that may pass 2³¹; SQLite counts its rows with this type only."""


def _state(states: type[StrEnum]) -> Enum:
    return Enum(
        states, native_enum=False, length=16, values_callable=lambda enum: [s.value for s in enum]
    )


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


metadata = MetaData()

schema_version = Table(
    "schema_version", metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)  # fmt: skip

counters = Table(
    "counters", metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Big, nullable=False),
)  # fmt: skip

projects = Table(
    "projects", metadata,
    Column("name", String(64), primary_key=True),
    Column("weight", Float, nullable=False),
    Column("max_running", Integer),
    Column("running", Integer, nullable=False),
    Column("ready", Integer, nullable=False),
    Column("cap", Big),
    Column("period", String(8), nullable=False),
    Column("reserved", Big, nullable=False),
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
    Column("unmet", Integer, nullable=False),
    *(Column(state.value, Integer, nullable=False) for state in TaskState),
    Column("delayed", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("claimable", Integer, nullable=False),
    Index("jobs_by_age", "created_at", "id"),
    Index("jobs_by_state", "state", "created_at", "id"),
    Index("jobs_by_project", "project", "created_at", "id"),
    _partial("jobs_by_turn", "project", "rank", "created_at", "id", where=CLAIMABLE),
)  # fmt: skip

job_labels = Table(
    "job_labels", metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("value", String(200), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("jobs_by_label", "name", "value", "created_at", "job"),
)  # fmt: skip

job_needs = Table(
    "job_needs", metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("needs", String(64), ForeignKey("jobs.id"), primary_key=True),
    Index("jobs_by_need", "needs", "job"),
)  # fmt: skip

tasks = Table(
    "tasks", metadata,
    Column("id", String(160), primary_key=True),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", _state(TaskState), nullable=False),
    Column("after", Text, nullable=False),
    Column("unmet", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("delayed", Boolean, nullable=False),
    Column("checkpoint", String(64)),
    Column("worker", String(200)),
    Column("node", String(200)),
    Column("lease_expires_at", Float),
    Column("token", Big),
    Column("result", Text),
    Index("tasks_by_position", "job", "position", unique=True),
    Index("tasks_by_state", "job", "state", "delayed", "position"),
    _partial("tasks_by_delay", "not_before", "job", where=DELAYED),
    _partial("tasks_by_expiry", "lease_expires_at", "id", where=LEASED),
)  # fmt: skip

task_needs = Table(
    "task_needs", metadata,
    Column("task", String(160), ForeignKey("tasks.id"), primary_key=True),
    Column("needs", String(160), ForeignKey("tasks.id"), primary_key=True),
    Index("tasks_by_need", "needs", "task"),
)  # fmt: skip

attempts = Table(
    "attempts", metadata,
    Column("token", Big, primary_key=True, autoincrement=False),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("task", String(160), ForeignKey("tasks.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", String(200), nullable=False),
    Column("node", String(200), nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("outcome", String(16)),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("task", "attempt"),
    Index("attempts_by_job", "job", "token"),
)  # fmt: skip

events = Table(
    "events", metadata,
    Column("position", Big, primary_key=True),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("job", "seq"),
    sqlite_autoincrement=True,
)  # fmt: skip

nodes = Table(
    "nodes", metadata,
    Column("name", String(200), primary_key=True),
    Column("out", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float),
)  # fmt: skip

node_failures = Table(
    "node_failures", metadata,
    Column("node", String(200), ForeignKey("nodes.name"), primary_key=True),
    Column("task", String(160), ForeignKey("tasks.id"), primary_key=True),
)  # fmt: skip

job_costs = Table(
    "job_costs", metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("project", String(64), nullable=False),
    Column("feature", String(200), nullable=False),
    Column("quoted", Text),
    Column("p50", Big),
    Column("p90", Big),
    Column("reserved", Big, nullable=False),
    Column("spent", Big, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("final", Big),
    Column("parked", Text, nullable=False),
    Column("wanted", Big, nullable=False),
    _partial("job_costs_parked", "project", "job", where=PARKED),
)  # fmt: skip

runs = Table(
    "runs", metadata,
    Column("token", Big, ForeignKey("attempts.token"), primary_key=True, autoincrement=False),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("task", String(160), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("project", String(64), nullable=False),
    Column("feature", String(200), nullable=False),
    Column("pool", String(200), nullable=False),
    Column("accelerator", String(200), nullable=False),
    Column("market", String(16), nullable=False),
    Column("devices", Integer, nullable=False),
    Column("extractor", String(64), nullable=False),
    *(Column(name, Float, nullable=False)
      for name in ("p50_seconds", "p90_seconds", "p50_usd", "p90_usd", "usd_hour", "started")),
    Column("day", Integer, nullable=False),
    Column("counted_at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("booked", Float, nullable=False),
    Column("spent", Big, nullable=False),
    *(Column(name, Float) for name in ("work", "worked", "rate", "beside")),
    Index("runs_by_job", "job", "token"),
    Index("runs_by_day", "day", "project"),
    _partial("runs_by_pace", "pool", "extractor", "started", "token", where=PACED),
)  # fmt: skip

spending = Table(
    "spending", metadata,
    Column("project", String(64), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("spent", Big, nullable=False),
)  # fmt: skip

exposures = Table(
    "exposures", metadata,
    Column("pool", String(200), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("hours", Float, nullable=False),
    Column("preemptions", Integer, nullable=False),
)  # fmt: skip

waits = Table(
    "waits", metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("first", Float, nullable=False),
    Column("final", Float),
)  # fmt: skip
