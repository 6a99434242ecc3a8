"""The tables of the first release.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables where there were none."""
    version = op.create_table(
        "schema_version", sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", Big, nullable=False),
    )
    op.bulk_insert(version, [{"version": 1}])
    op.bulk_insert(counters, [{"name": "tokens", "value": 0}])
    _make_jobs()
    _make_tasks()
    _make_logs()


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("pause_requested", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("jobs_by_age", "jobs", ["created_at", "id"])
    op.create_index("jobs_by_state", "jobs", ["state", "created_at"])


def _make_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(160), primary_key=True),
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("checkpoint", sa.String(64)),
        sa.Column("worker", sa.String(200)),
        sa.Column("lease_expires_at", sa.Float),
        sa.Column("token", Big),
        sa.Column("result", sa.Text),
    )
    op.create_index("ix_tasks_job", "tasks", ["job"])
    op.create_index("tasks_by_state", "tasks", ["state", "not_before"])


def _make_logs() -> None:
    op.create_table(
        "attempts",
        sa.Column("token", Big, primary_key=True, autoincrement=False),
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("task", sa.String(160), sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("outcome", sa.String(16)),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("task", "attempt"),
    )
    op.create_index("ix_attempts_job", "attempts", ["job"])
    op.create_table(
        "events",
        sa.Column("position", Big, primary_key=True),
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("job", "seq"),
        sqlite_autoincrement=True,
    )
