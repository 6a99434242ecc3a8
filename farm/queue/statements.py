"""The SQL of the hot paths, built once. Each is served by an index, which a test asserts."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)

from farm.queue.facts import EventRow, JobFilter, JobRow, TaskRow, label_key
from farm.queue.records import AttemptRecord
from farm.queue.tables import (
    CLAIMABLE,
    DELAYED,
    LEASED,
    attempts,
    events,
    job_labels,
    job_needs,
    jobs,
    node_failures,
    nodes,
    projects,
    task_needs,
    tasks,
)
from farm.spec.state import TaskState

JOB_FIELDS = tuple(JobRow.__dataclass_fields__)
TASK_FIELDS = tuple(TaskRow.__dataclass_fields__)
FIXED = {"id", "spec", "job", "project", "priority", "created_at", "position", "after", "rank"}
"""Columns that are written once."""

OPEN_STATES = text("state IN ('waiting', 'ready')")


def _columns(table: Table, names: tuple[str, ...]) -> list[Any]:
    return [table.c[name] for name in names]


def _mutable(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: bindparam(f"b_{name}", type_=table.c[name].type) for name in names if name not in FIXED
    }


_jobs = select(*_columns(jobs, JOB_FIELDS))
_tasks = select(*_columns(tasks, TASK_FIELDS))

JOB = _jobs.where(jobs.c.id == bindparam("id"))
SAVE_JOB = update(jobs).where(jobs.c.id == bindparam("b_id")).values(_mutable(jobs, JOB_FIELDS))
STATES = select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(bindparam("ids", expanding=True)))
DEPENDANTS = (
    select(job_needs.c.job).where(job_needs.c.needs == bindparam("id")).order_by(job_needs.c.job)
)
COUNTS = select(jobs.c.state, func.count()).group_by(jobs.c.state)

_turn = (jobs.c.rank, jobs.c.created_at, jobs.c.id)
_first = (
    select(*_turn).where(jobs.c.project == projects.c.name, text("jobs.claimable > 0"))
    .order_by(*_turn).limit(1).correlate(projects)
)  # fmt: skip
_waiting = and_(
    projects.c.ready > 0,
    or_(projects.c.max_running.is_(None), projects.c.running < projects.c.max_running),
)
_of_project = (projects.c.name, projects.c.running, projects.c.weight)
# The soonest end of a delay and not whether one is over, which a planner might look for row by row.
_soonest = (
    select(tasks.c.not_before).where(text("tasks.delayed"))
    .order_by(tasks.c.not_before).limit(1).scalar_subquery()
)  # fmt: skip
_delays = select((_soonest <= bindparam("now")).label("over")).subquery("delays")


def _heads(found: Select[Any]) -> Select[Any]:
    heads = found.where(_waiting).subquery("heads")
    both = _delays.join(heads, true(), isouter=True)
    return select(_delays.c.over, *heads.c).select_from(both)


_job = jobs.alias("head")
_first_id = _first.with_only_columns(jobs.c.id).scalar_subquery()
HEADS = _heads(
    select(*_of_project, _job.c.id, _job.c.rank, _job.c.created_at)
    .select_from(projects).join(_job, _job.c.id == _first_id)
)  # fmt: skip
"""Whether a delay is over, and every head; one row at least."""

_lateral = _first.lateral("head")
HEADS_LATERAL = _heads(
    select(*_of_project, _lateral.c.id, _lateral.c.rank, _lateral.c.created_at)
    .select_from(projects).join(_lateral, true())
)  # fmt: skip
"""The same where a subquery may look to its left."""

NEXT_JOB = (
    _jobs.where(jobs.c.project == bindparam("project"), text(CLAIMABLE)).order_by(*_turn).limit(1)
)
NEXT_JOB_AVOIDING = NEXT_JOB.where(jobs.c.id.not_in(bindparam("avoid", expanding=True)))

TASK = _tasks.where(tasks.c.id == bindparam("id"))
TASKS = _tasks.where(tasks.c.job == bindparam("job")).order_by(tasks.c.position)
SAVE_TASK = update(tasks).where(tasks.c.id == bindparam("b_id")).values(_mutable(tasks, TASK_FIELDS))
NEXT_TASK = (
    _tasks.where(
        tasks.c.job == bindparam("job"), tasks.c.state == TaskState.READY, tasks.c.delayed.is_(False)
    )
    .order_by(tasks.c.position).limit(1)
)  # fmt: skip
NEXT_TASK_AVOIDING = NEXT_TASK.where(tasks.c.id.not_in(bindparam("avoid", expanding=True)))
TASK_DEPENDANTS = (
    _tasks.join(task_needs, task_needs.c.task == tasks.c.id)
    .where(task_needs.c.needs == bindparam("id")).order_by(task_needs.c.task)
)  # fmt: skip
LEASED_OF = (
    _tasks.where(tasks.c.job == bindparam("job"), tasks.c.state == TaskState.LEASED)
    .order_by(tasks.c.position)
)  # fmt: skip
DROP_TASKS = (
    update(tasks).where(tasks.c.job == bindparam("b_job"), OPEN_STATES)
    .values(state=TaskState.CANCELLED, delayed=False)
)  # fmt: skip
FREE_TASKS = (
    update(tasks)
    .where(tasks.c.job == bindparam("b_job"), tasks.c.state == TaskState.WAITING, tasks.c.unmet == 0)
    .values(state=TaskState.READY)
)
UNDELAY = (
    update(tasks)
    .where(tasks.c.job == bindparam("b_job"), text(DELAYED), tasks.c.not_before <= bindparam("b_now"))
    .values(delayed=False)
)
DUE = (
    select(tasks.c.job).where(text(DELAYED), tasks.c.not_before <= bindparam("now"))
    .order_by(tasks.c.not_before).limit(bindparam("limit"))
)  # fmt: skip
COUNT_TASKS = (
    select(tasks.c.state, tasks.c.delayed, func.count()).where(tasks.c.job == bindparam("job"))
    .group_by(tasks.c.state, tasks.c.delayed)
)  # fmt: skip
LEASES = (
    select(*_columns(tasks, TASK_FIELDS), jobs.c.spec).join(jobs, jobs.c.id == tasks.c.job)
    .where(text(LEASED)).order_by(tasks.c.lease_expires_at, tasks.c.id)
)  # fmt: skip
EXPIRED = LEASES.where(tasks.c.lease_expires_at <= bindparam("now"))
RENEW = (
    update(tasks).where(tasks.c.id == bindparam("b_id"), tasks.c.token == bindparam("b_token"))
    .values(lease_expires_at=bindparam("b_expiry"))
)  # fmt: skip

NEXT_TASK_NUMBERED, NEXT_TASK_NUMBERED_AVOIDING = (
    query.add_columns(func.nextval("farm_tokens")) for query in (NEXT_TASK, NEXT_TASK_AVOIDING)
)
"""The same with a new token, where a sequence gives them."""

ATTEMPTS = (
    select(*_columns(attempts, tuple(AttemptRecord.model_fields)))
    .where(attempts.c.job == bindparam("job")).order_by(attempts.c.token)
)  # fmt: skip
EVENTS = (
    select(*_columns(events, tuple(EventRow.__dataclass_fields__)))
    .where(events.c.job == bindparam("job"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq).limit(bindparam("limit"))
)  # fmt: skip
ADD_EVENT = insert(events)
ADD_ATTEMPT = insert(attempts)
VERSION = select(func.max(events.c.position))

_mine = projects.c.name == bindparam("b_name")
_running = projects.c.running + bindparam("b_running", type_=Integer)
_ready = projects.c.ready + bindparam("b_ready", type_=Integer)
SHIFT_PROJECT = update(projects).where(_mine).values(running=_running, ready=_ready)
CLAIM_PLACE = SHIFT_PROJECT.where(
    or_(projects.c.max_running.is_(None), _running <= projects.c.max_running)
)
PROJECTS = (
    select(*_columns(projects, ("name", "weight", "max_running", "running", "ready")))
    .order_by(projects.c.name)
)  # fmt: skip
NODES = (
    select(nodes.c.name, func.count(node_failures.c.task).label("failed_tasks"),
           nodes.c.out, nodes.c.reason, nodes.c.since)
    .join(node_failures, node_failures.c.node == nodes.c.name, isouter=True)
    .group_by(nodes.c.name, nodes.c.out, nodes.c.reason, nodes.c.since).order_by(nodes.c.name)
)  # fmt: skip
ABSOLVE = delete(node_failures).where(node_failures.c.node == bindparam("b_node"))


def jobs_page(wanted: JobFilter, limit: int, before: JobRow | None) -> Select[Any]:
    """The page of jobs, newest first, that begins after ``before``."""
    age: tuple[Any, Any] = (jobs.c.created_at, jobs.c.id)
    query = _jobs
    if wanted.label is not None:
        age = (job_labels.c.created_at, job_labels.c.job)
        name, value = (label_key(part) for part in wanted.label)
        query = query.join(job_labels, job_labels.c.job == jobs.c.id)
        query = query.where(and_(job_labels.c.name == name, job_labels.c.value == value))
    if wanted.state is not None:
        query = query.where(jobs.c.state == wanted.state)
    if wanted.project is not None:
        query = query.where(jobs.c.project == wanted.project)
    if wanted.beginning is not None:
        # Not LIKE: in SQLite that takes small letters for large ones.
        start = func.substr(jobs.c.id, 1, len(wanted.beginning))
        query = query.where(start == wanted.beginning)
    if before is not None:
        # Compared as a row, which an index can search; written out with "or" it could not.
        query = query.where(tuple_(*age) < tuple_(before.created_at, before.id))
    return query.order_by(age[0].desc(), age[1].desc()).limit(limit)


@cache
def update_attempt(names: frozenset[str]) -> Update:
    """The change of those fields of an attempt."""
    values = {name: bindparam(f"b_{name}", type_=attempts.c[name].type) for name in sorted(names)}
    return update(attempts).where(attempts.c.token == bindparam("b_token")).values(values)


def bound(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a statement that writes a whole row."""
    return {f"b_{name}": value for name, value in values.items()}
