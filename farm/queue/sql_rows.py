"""``Rows`` as SQL statements inside one transaction, of jobs, tasks and their logs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, update
from sqlalchemy.dialects import sqlite

from farm.queue import statements as sql
from farm.queue.facts import EventRow, Head, JobFilter, JobRow, TaskRow, label_key, labels
from farm.queue.records import AttemptRecord
from farm.queue.rows import Changes
from farm.queue.sql_money import SqlMoney
from farm.queue.tables import TOKENS, counters, job_labels, job_needs, jobs, task_needs, tasks
from farm.spec.state import JobState, TaskState

JOB_NAMES = tuple(field.name for field in fields(JobRow))
TASK_NAMES = tuple(field.name for field in fields(TaskRow))

FEW = 8
"""Events that are written one by one; more go as one batch."""


class SqlRows(SqlMoney):
    """Rows of the tables; the columns are named by the fields."""

    _heads: Select[Any] = sql.HEADS
    _next_tasks: tuple[Select[Any], Select[Any]] = (sql.NEXT_TASK, sql.NEXT_TASK_AVOIDING)

    def __init__(self, connection: Connection, *, write: bool) -> None:
        super().__init__(connection)
        self._write = write
        self.told = False

    def job(self, job_id: str) -> JobRow | None:
        """A job."""
        return self._one_job(self._locking(sql.JOB), id=job_id)

    def look(self, job_id: str) -> JobRow | None:
        """A job, without a lock on it."""
        return self._one_job(sql.JOB, id=job_id)

    def free_job(self, job_id: str) -> JobRow | None:
        """A job, or None where another transaction holds it."""
        return self._one_job(self._locking(sql.JOB, patient=False), id=job_id)

    def jobs(self, wanted: JobFilter, limit: int, before: JobRow | None) -> list[JobRow]:
        """Jobs, newest first, older than ``before``."""
        query = sql.jobs_page(wanted, limit, before)
        return [JobRow(*row) for row in self._ask(query)]

    def add_jobs(self, rows: Sequence[JobRow]) -> set[str]:
        """Insert those whose id is new; returns the ids of these."""
        if not rows:
            return set()
        adding = self._insert(jobs).on_conflict_do_nothing(index_elements=["id"]).returning(jobs.c.id)
        new = set(self._ask(adding, [asdict(row) for row in rows]).scalars())
        found = [
            {"job": row.id, "name": label_key(name), "value": label_key(value),
             "created_at": row.created_at}
            for row in rows if row.id in new
            for name, value in labels(row).items()
        ]  # fmt: skip
        if found:
            self._ask(insert(job_labels), found)
        return new

    def save_job(self, row: JobRow) -> None:
        """Write a job back."""
        self._put(sql.SAVE_JOB, sql.bound(_values(row, JOB_NAMES)))

    def heads(self, now: float) -> tuple[list[Head], bool]:
        """The projects below their limit with something to claim, and whether a delay is over."""
        rows = self._ask(self._heads, {"now": now}).all()
        return [Head(*row[1:]) for row in rows if row[1] is not None], bool(rows[0][0])

    def next_job(self, project: str, avoid: Collection[str], *, patient: bool) -> JobRow | None:
        """The first job of a project with something to claim."""
        if not avoid:
            return self._one_job(self._locking(sql.NEXT_JOB, patient=patient), project=project)
        query = self._locking(sql.NEXT_JOB_AVOIDING, patient=patient)
        return self._one_job(query, project=project, avoid=list(avoid))

    def guard_needs(self, *, adding: bool) -> None:
        """Keep jobs from being added with prerequisites while one of these becomes done."""

    def add_needs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Note that the first job of each pair comes after the second."""
        rows = [{"job": job, "needs": need} for job, need in pairs]
        if rows:
            self._ask(insert(job_needs), rows)

    def states(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """The states of those of the jobs that exist."""
        rows = self._ask(sql.STATES, {"ids": sorted(job_ids)})
        return {job_id: state for job_id, state in rows}

    def dependants(self, job_id: str) -> list[str]:
        """Jobs that come after a job, by id."""
        return list(self._ask(sql.DEPENDANTS, {"id": job_id}).scalars())

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        return {state: number for state, number in self._ask(sql.COUNTS)}

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        return self._one_task(self._locking(sql.TASK), id=task_id)

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        return self._all_tasks(sql.TASKS, job=job_id)

    def add_tasks(self, rows: Sequence[TaskRow]) -> None:
        """Insert tasks, with what they come after."""
        if rows:
            self._ask(insert(tasks), [_values(row, TASK_NAMES) for row in rows])
        needs = [
            {"task": row.id, "needs": f"{row.job}/{need}"} for row in rows for need in row.after.split()
        ]
        if needs:
            self._ask(insert(task_needs), needs)

    def save_task(self, row: TaskRow) -> None:
        """Write a task back."""
        self._put(sql.SAVE_TASK, sql.bound(_values(row, TASK_NAMES)))

    def next_task(self, job_id: str, avoid: Collection[str]) -> tuple[TaskRow, int] | None:
        """The first task of a job to be claimed now, and a fencing token larger than any before."""
        if avoid:
            asked = {"job": job_id, "avoid": list(avoid)}
            row = self._ask(self._next_tasks[1], asked).one_or_none()
        else:
            row = self._ask(self._next_tasks[0], {"job": job_id}).one_or_none()
        if row is None:
            return None
        return TaskRow(*row[: len(TASK_NAMES)]), self._token(row)

    def task_dependants(self, task_id: str) -> list[TaskRow]:
        """Tasks that come after a task."""
        return self._all_tasks(sql.TASK_DEPENDANTS, id=task_id)

    def drop_tasks(self, job_id: str) -> None:
        """Cancel what waits or is ready of a job's tasks."""
        self._put(sql.DROP_TASKS, {"b_job": job_id})

    def free_tasks(self, job_id: str) -> None:
        """Make the tasks of a job ready that wait for nothing within it."""
        self._put(sql.FREE_TASKS, {"b_job": job_id})

    def undelay(self, job_id: str, now: float) -> int:
        """End the delays of a job's tasks that are over; how many."""
        return self._ask(sql.UNDELAY, {"b_job": job_id, "b_now": now}).rowcount

    def due(self, now: float, limit: int) -> list[str]:
        """Some jobs with tasks whose delay is over."""
        return list(self._ask(sql.DUE, {"now": now, "limit": limit}).scalars())

    def count_tasks(self, job_id: str) -> tuple[dict[TaskState, int], int]:
        """Number of a job's tasks in each state that has any, and of the delayed ones."""
        counts: dict[TaskState, int] = {}
        late = 0
        for state, delayed, number in self._ask(sql.COUNT_TASKS, {"job": job_id}):
            counts[state] = counts.get(state, 0) + number
            late += number if delayed else 0
        return counts, late

    def leased(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job that workers hold."""
        return self._all_tasks(self._locking(sql.LEASED_OF), job=job_id)

    def leases(self, expired: float | None, prefix: str) -> list[tuple[TaskRow, str]]:
        """Leased tasks with their job's spec, by expiry: run out at ``expired``, of such workers."""
        query = sql.LEASES if expired is None else sql.EXPIRED
        if prefix:
            query = query.where(func.substr(tasks.c.worker, 1, len(prefix)) == prefix)
        rows = self._ask(query, {} if expired is None else {"now": expired})
        return [(TaskRow(*row[:-1]), row[-1]) for row in rows]

    def renew(self, task_id: str, token: int, expiry: float) -> bool:
        """Put off a lease's expiry; whether the token holds it still."""
        values = {"b_id": task_id, "b_token": token, "b_expiry": expiry}
        return self._change(sql.RENEW, values) == 1

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        rows = self._ask(sql.ATTEMPTS, {"job": job_id})
        return [AttemptRecord(**row._mapping) for row in rows]

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        self._put(sql.ADD_ATTEMPT, {"job": job_id, **record.model_dump()})

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        names = frozenset(changes)
        self._put(sql.update_attempt(names), {"b_token": token, **sql.bound(dict(changes))})

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        asked = {"job": job_id, "after": after, "limit": limit}
        return [EventRow(*row) for row in self._ask(sql.EVENTS, asked)]

    def add_events(self, rows: Sequence[EventRow]) -> None:
        """Append events."""
        if rows:
            self.told = True
        if len(rows) > FEW:
            self._ask(sql.ADD_EVENT, [asdict(row) for row in rows])
            return
        for row in rows:
            self._put(sql.ADD_EVENT, asdict(row))

    def version(self) -> int:
        """A number that grows with every event of any job."""
        return int(self._ask(sql.VERSION).scalar() or 0)

    def _token(self, row: Row[*tuple[Any, ...]]) -> int:
        mine = counters.c.name == TOKENS
        counted = update(counters).where(mine).values(value=counters.c.value + 1)
        return int(self._ask(counted.returning(counters.c.value)).scalar_one())

    def _insert(self, table: Any) -> Any:
        return sqlite.insert(table)

    def _locking(self, query: Select[Any], *, patient: bool = True) -> Select[Any]:
        """The query as it locks what it reads; here the whole file is locked already."""
        return query

    def _one_job(self, query: Select[Any], **asked: object) -> JobRow | None:
        row = self._ask(query, asked).one_or_none()
        return None if row is None else JobRow(*row)

    def _one_task(self, query: Select[Any], **asked: object) -> TaskRow | None:
        row = self._ask(query, asked).one_or_none()
        return None if row is None else TaskRow(*row)

    def _all_tasks(self, query: Select[Any], **asked: object) -> list[TaskRow]:
        return [TaskRow(*row) for row in self._ask(query, asked)]


def _values(row: JobRow | TaskRow, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
