"""The SQL of caps, costs and observations, built once."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    Float,
    Select,
    Table,
    and_,
    bindparam,
    case,
    distinct,
    func,
    select,
    text,
    update,
)

from farm.queue.facts import label_key
from farm.queue.money_facts import CapRow, CostFilter, CostRow, RunRow
from farm.queue.tables import (
    PACED,
    PARKED,
    exposures,
    job_costs,
    job_labels,
    jobs,
    projects,
    runs,
    spending,
    waits,
)
from farm.spec.cost import USER, Grouping

COST_NAMES = tuple(field.name for field in fields(CostRow))
RUN_NAMES = tuple(field.name for field in fields(RunRow))
CAP_NAMES = tuple(field.name for field in fields(CapRow))


def _columns(table: Table, names: tuple[str, ...]) -> list[Any]:
    return [table.c[name] for name in names]


_caps = select(projects.c.name, projects.c.cap, projects.c.period, projects.c.reserved)
CAP = _caps.where(projects.c.name == bindparam("project"))
CAPS = _caps.order_by(projects.c.name)
SHIFT_RESERVED = (
    update(projects).where(projects.c.name == bindparam("b_project"))
    .values(reserved=projects.c.reserved + bindparam("b_amount", type_=BigInteger))
)  # fmt: skip
SPENDING = (
    select(spending.c.project, spending.c.day, spending.c.spent)
    .where(spending.c.day >= bindparam("first")).order_by(spending.c.project, spending.c.day)
)  # fmt: skip
SPENDING_OF = SPENDING.where(spending.c.project == bindparam("project"))

_costs = select(*_columns(job_costs, COST_NAMES))
COST = _costs.where(job_costs.c.job == bindparam("job"))
PARKED_COSTS = _costs.where(text(PARKED)).order_by(job_costs.c.project, job_costs.c.job)

_runs = select(*_columns(runs, RUN_NAMES))
RUN = _runs.where(runs.c.token == bindparam("token"))
RUNS = _runs.where(runs.c.job == bindparam("job")).order_by(runs.c.token)
PACED_RUNS = (
    _runs.where(
        text(PACED), runs.c.pool == bindparam("pool"), runs.c.extractor == bindparam("extractor")
    )
    .order_by(runs.c.started.desc(), runs.c.token.desc()).limit(bindparam("limit"))
)  # fmt: skip
_now = bindparam("b_now", type_=Float)
_most = bindparam("b_most", type_=Float)
_step = _now - runs.c.counted_at
COUNT_RUN = (
    update(runs).where(runs.c.token == bindparam("b_token"))
    .values(
        seconds=runs.c.seconds + case((_step < 0, 0.0), (_step > _most, _most), else_=_step),
        counted_at=_now,
    )
)  # fmt: skip

EXPOSURES = (
    select(exposures.c.pool, exposures.c.day, exposures.c.hours, exposures.c.preemptions)
    .where(exposures.c.day >= bindparam("first")).order_by(exposures.c.pool, exposures.c.day)
)  # fmt: skip

_user = job_labels.alias("users")
WAITS = (
    select(jobs.c.id, jobs.c.project, _user.c.value, jobs.c.created_at, waits.c.first, waits.c.final)
    .join(waits, waits.c.job == jobs.c.id, isouter=True)
    .join(_user, and_(_user.c.job == jobs.c.id, _user.c.name == USER), isouter=True)
    .where(jobs.c.created_at >= bindparam("since"))
    .order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(bindparam("limit"))
)  # fmt: skip


def costs_by(by: Grouping, wanted: CostFilter) -> Select[Any]:
    """The sums over attempts, of which each job's last one stands for its quote and its whole cost."""
    key = runs.c[by]
    ends = and_(job_costs.c.final == runs.c.token, job_costs.c.quoted.is_not(None))
    covered = and_(ends, job_costs.c.spent <= job_costs.c.p90)
    query = (
        select(
            key, func.count(distinct(runs.c.job)), func.count(),
            func.sum(runs.c.seconds * runs.c.devices) / 3600, func.sum(runs.c.spent),
            func.sum(case((ends, 1), else_=0)), func.sum(case((ends, job_costs.c.p50), else_=0)),
            func.sum(case((ends, job_costs.c.spent), else_=0)), func.sum(case((covered, 1), else_=0)),
        )
        .select_from(runs).join(job_costs, job_costs.c.job == runs.c.job).group_by(key)
    )  # fmt: skip
    if wanted.first is not None:
        query = query.where(runs.c.day >= wanted.first)
    if wanted.last is not None:
        query = query.where(runs.c.day <= wanted.last)
    if wanted.project is not None:
        query = query.where(runs.c.project == wanted.project)
    if wanted.tag is not None:
        name, value = (label_key(part) for part in wanted.tag)
        query = query.join(job_labels, job_labels.c.job == runs.c.job)
        query = query.where(job_labels.c.name == name, job_labels.c.value == value)
    return query
