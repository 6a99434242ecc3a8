"""Shares of projects, prerequisites, labels, nodes, and counts that claims need no scan for.

Revision ID: 0002
Revises: 0001
"""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATES = ("waiting", "ready", "leased", "done", "failed", "cancelled", "quarantined")


def upgrade() -> None:
    """Add columns and tables, and fill them from the rows that are there."""
    _add_columns()
    _make_tables()
    _fill_counts()
    _fill_labels()
    _make_indexes()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE farm_tokens")
        op.execute("SELECT setval('farm_tokens', value + 1) FROM counters WHERE name = 'tokens'")
    op.execute("UPDATE schema_version SET version = 2")


def _add_columns() -> None:
    for name in ("unmet", *STATES, "delayed", "rank", "claimable"):
        op.add_column("jobs", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("after", sa.Text, nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("unmet", sa.Integer, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("losses", sa.Integer, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("delayed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("tasks", sa.Column("node", sa.String(200)))
    op.add_column("attempts", sa.Column("node", sa.String(200), nullable=False, server_default=""))


def _make_tables() -> None:
    op.create_table(
        "projects",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("max_running", sa.Integer),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("ready", sa.Integer, nullable=False),
    )
    op.create_table(
        "job_labels",
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    for table, length in (("job", 64), ("task", 160)):
        op.create_table(
            f"{table}_needs",
            sa.Column(table, sa.String(length), sa.ForeignKey(f"{table}s.id"), primary_key=True),
            sa.Column("needs", sa.String(length), sa.ForeignKey(f"{table}s.id"), primary_key=True),
        )
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("out", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Float),
    )
    op.create_table(
        "node_failures",
        sa.Column("node", sa.String(200), sa.ForeignKey("nodes.name"), primary_key=True),
        sa.Column("task", sa.String(160), sa.ForeignKey("tasks.id"), primary_key=True),
    )


def _fill_counts() -> None:
    op.execute("UPDATE tasks SET delayed = (state = 'ready' AND not_before > 0)")
    of_job = "(SELECT count(*) FROM tasks WHERE tasks.job = jobs.id AND"
    counts = ", ".join(f"{state} = {of_job} tasks.state = '{state}')" for state in STATES)
    counts = f"rank = 100 - priority, delayed = {of_job} tasks.delayed), {counts}"
    op.execute(f"UPDATE jobs SET {counts}")  # noqa: S608 - made of this file's own words
    is_open = "state IN ('queued', 'running') AND NOT cancel_requested AND NOT pause_requested"
    op.execute(f"UPDATE jobs SET claimable = ready - delayed WHERE {is_open}")  # noqa: S608
    ready = f"sum(CASE WHEN {is_open} THEN ready ELSE 0 END)"
    op.execute(
        "INSERT INTO projects (name, weight, running, ready) "  # noqa: S608
        f"SELECT project, 1.0, sum(leased), {ready} FROM jobs GROUP BY project"
    )


def _fill_labels() -> None:
    table = sa.table(
        "job_labels", *(sa.column(name) for name in ("job", "name", "value", "created_at"))
    )
    rows = op.get_bind().execute(sa.text("SELECT id, spec, created_at FROM jobs")).all()
    found = [
        {"job": job, "name": _key(name), "value": _key(value), "created_at": created_at}
        for job, spec, created_at in rows
        for name, value in json.loads(spec).get("labels", {}).items()
    ]
    if found:
        op.bulk_insert(table, found)


def _key(text: str) -> str:
    if len(text) <= 200 and "\x00" not in text:
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _make_indexes() -> None:
    op.drop_index("jobs_by_state", "jobs")
    op.drop_index("tasks_by_state", "tasks")
    op.drop_index("ix_tasks_job", "tasks")
    op.drop_index("ix_attempts_job", "attempts")
    op.create_index("jobs_by_state", "jobs", ["state", "created_at", "id"])
    op.create_index("jobs_by_project", "jobs", ["project", "created_at", "id"])
    op.create_index("jobs_by_label", "job_labels", ["name", "value", "created_at", "job"])
    op.create_index("jobs_by_need", "job_needs", ["needs", "job"])
    op.create_index("tasks_by_need", "task_needs", ["needs", "task"])
    op.create_index("tasks_by_position", "tasks", ["job", "position"], unique=True)
    op.create_index("tasks_by_state", "tasks", ["job", "state", "delayed", "position"])
    op.create_index("attempts_by_job", "attempts", ["job", "token"])
    _partial("jobs_by_turn", "jobs", ["project", "rank", "created_at", "id"], "claimable > 0")
    _partial("tasks_by_delay", "tasks", ["not_before", "job"], "delayed")
    _partial("tasks_by_expiry", "tasks", ["lease_expires_at", "id"], "lease_expires_at IS NOT NULL")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
