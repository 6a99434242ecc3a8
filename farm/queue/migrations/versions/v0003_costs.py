"""Caps of projects, quotes and costs of jobs and attempts, what was seen of pools, and waits of people.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns and tables. What ran before has no quote and no price, so its costs stay unknown."""
    op.add_column("projects", sa.Column("cap", Big))
    op.add_column("projects", sa.Column("period", sa.String(8), nullable=False, server_default="month"))
    op.add_column("projects", sa.Column("reserved", Big, nullable=False, server_default="0"))
    _make_costs()
    _make_runs()
    _make_sums()
    _fill_waits()
    op.execute("UPDATE schema_version SET version = 3")


def _make_costs() -> None:
    op.create_table(
        "job_costs",
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("feature", sa.String(200), nullable=False),
        sa.Column("quoted", sa.Text),
        sa.Column("p50", Big),
        sa.Column("p90", Big),
        sa.Column("reserved", Big, nullable=False),
        sa.Column("spent", Big, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("final", Big),
        sa.Column("parked", sa.Text, nullable=False),
        sa.Column("wanted", Big, nullable=False),
    )
    _partial("job_costs_parked", "job_costs", ["project", "job"], "parked <> ''")


def _make_runs() -> None:
    token = sa.ForeignKey("attempts.token")
    figures = ("p50_seconds", "p90_seconds", "p50_usd", "p90_usd", "usd_hour", "started")
    op.create_table(
        "runs",
        sa.Column("token", Big, token, primary_key=True, autoincrement=False),
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("task", sa.String(160), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("feature", sa.String(200), nullable=False),
        sa.Column("pool", sa.String(200), nullable=False),
        sa.Column("accelerator", sa.String(200), nullable=False),
        sa.Column("market", sa.String(16), nullable=False),
        sa.Column("devices", sa.Integer, nullable=False),
        sa.Column("extractor", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in figures),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("counted_at", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("booked", sa.Float, nullable=False),
        sa.Column("spent", Big, nullable=False),
        *(sa.Column(name, sa.Float) for name in ("work", "worked", "rate", "beside")),
    )
    op.create_index("runs_by_job", "runs", ["job", "token"])
    op.create_index("runs_by_day", "runs", ["day", "project"])
    _partial("runs_by_pace", "runs", ["pool", "extractor", "started", "token"], "rate IS NOT NULL")


def _make_sums() -> None:
    op.create_table(
        "spending",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("spent", Big, nullable=False),
    )
    op.create_table(
        "exposures",
        sa.Column("pool", sa.String(200), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hours", sa.Float, nullable=False),
        sa.Column("preemptions", sa.Integer, nullable=False),
    )
    op.create_table(
        "waits",
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("first", sa.Float, nullable=False),
        sa.Column("final", sa.Float),
    )


def _fill_waits() -> None:
    op.execute(
        "INSERT INTO waits (job, first, final) SELECT job, min(at), "
        "max(CASE WHEN kind = 'done' THEN at END) FROM events WHERE kind IN ('rendition', 'done') "
        "GROUP BY job"
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
