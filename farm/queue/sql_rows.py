"""``Rows`` as SQL statements inside one transaction, of jobs, tasks and their logs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farm.queue import statements as sql
from farm.queue.facts import EventRow, Head, JobFilter, JobRow, TaskRow, label_key, labels
from farm.queue.records import AttemptRecord
from farm.queue.rows import Changes
from farm.queue.sql_shares import SqlShares
from farm.queue.tables import TOKENS, attempts, counters, job_labels, job_needs, jobs, task_needs, tasks
from farm.spec.state import JobState, TaskState

JOB_NAMES = tuple(field.name for field in fields(JobRow))
TASK_NAMES = tuple(field.name for field in fields(TaskRow))


class SqlRows(SqlShares):
    """Rows of the tables; the columns are named by the fields."""

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
        return [JobRow(*row) for row in self._connection.execute(query)]

    def add_jobs(self, rows: Sequence[JobRow]) -> set[str]:
        """Insert those whose id is new; returns the ids of these."""
        if not rows:
            return set()
        adding = self._insert(jobs).on_conflict_do_nothing(index_elements=["id"]).returning(jobs.c.id)
        new = set(self._connection.execute(adding, [asdict(row) for row in rows]).scalars())
        found = [
            {"job": row.id, "name": label_key(name), "value": label_key(value),
             "created_at": row.created_at}
            for row in rows if row.id in new
            for name, value in labels(row).items()
        ]  # fmt: skip
        if found:
            self._connection.execute(insert(job_labels), found)
        return new

    def save_job(self, row: JobRow) -> None:
        """Write a job back."""
        self._connection.execute(sql.SAVE_JOB, sql.bound(_values(row, JOB_NAMES)))

    def heads(self) -> list[Head]:
        """The projects below their limit that have something to claim now."""
        return [
            Head(name, running, weight, job, rank, created_at)
            for name, running, weight, job, rank, created_at in self._connection.execute(sql.HEADS)
        ]

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
            self._connection.execute(insert(job_needs), rows)

    def states(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """The states of those of the jobs that exist."""
        rows = self._connection.execute(sql.STATES, {"ids": sorted(job_ids)})
        return {job_id: state for job_id, state in rows}

    def dependants(self, job_id: str) -> list[str]:
        """Jobs that come after a job, by id."""
        return list(self._connection.execute(sql.DEPENDANTS, {"id": job_id}).scalars())

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        return {state: number for state, number in self._connection.execute(sql.COUNTS)}

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        return self._one_task(self._locking(sql.TASK), id=task_id)

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        return self._all_tasks(sql.TASKS, job=job_id)

    def add_tasks(self, rows: Sequence[TaskRow]) -> None:
        """Insert tasks, with what they come after."""
        if rows:
            self._connection.execute(insert(tasks), [_values(row, TASK_NAMES) for row in rows])
        needs = [
            {"task": row.id, "needs": f"{row.job}/{need}"} for row in rows for need in row.after.split()
        ]
        if needs:
            self._connection.execute(insert(task_needs), needs)

    def save_task(self, row: TaskRow) -> None:
        """Write a task back."""
        self._connection.execute(sql.SAVE_TASK, sql.bound(_values(row, TASK_NAMES)))

    def next_task(self, job_id: str, avoid: Collection[str]) -> TaskRow | None:
        """The first task of a job to be claimed now."""
        if not avoid:
            return self._one_task(self._locking(sql.NEXT_TASK), job=job_id)
        return self._one_task(self._locking(sql.NEXT_TASK_AVOIDING), job=job_id, avoid=list(avoid))

    def task_dependants(self, task_id: str) -> list[TaskRow]:
        """Tasks that come after a task."""
        return self._all_tasks(sql.TASK_DEPENDANTS, id=task_id)

    def drop_tasks(self, job_id: str) -> None:
        """Cancel what waits or is ready of a job's tasks."""
        self._connection.execute(sql.DROP_TASKS, {"b_job": job_id})

    def free_tasks(self, job_id: str) -> None:
        """Make the tasks of a job ready that wait for nothing within it."""
        self._connection.execute(sql.FREE_TASKS, {"b_job": job_id})

    def undelay(self, job_id: str, now: float) -> int:
        """End the delays of a job's tasks that are over; how many."""
        return self._connection.execute(sql.UNDELAY, {"b_job": job_id, "b_now": now}).rowcount

    def due(self, now: float, limit: int) -> list[str]:
        """Some jobs with tasks whose delay is over."""
        return list(self._connection.execute(sql.DUE, {"now": now, "limit": limit}).scalars())

    def count_tasks(self, job_id: str) -> tuple[dict[TaskState, int], int]:
        """Number of a job's tasks in each state that has any, and of the delayed ones."""
        counts: dict[TaskState, int] = {}
        late = 0
        for state, delayed, number in self._connection.execute(sql.COUNT_TASKS, {"job": job_id}):
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
        rows = self._connection.execute(query, {} if expired is None else {"now": expired})
        return [(TaskRow(*row[:-1]), row[-1]) for row in rows]

    def renew(self, task_id: str, token: int, expiry: float) -> bool:
        """Put off a lease's expiry; whether the token holds it still."""
        values = {"b_id": task_id, "b_token": token, "b_expiry": expiry}
        return self._connection.execute(sql.RENEW, values).rowcount == 1

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        rows = self._connection.execute(sql.ATTEMPTS, {"job": job_id})
        return [AttemptRecord(**row._mapping) for row in rows]

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        self._connection.execute(sql.ADD_ATTEMPT, {"job": job_id, **record.model_dump()})

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        self._connection.execute(
            update(attempts).where(attempts.c.token == token).values(dict(changes))
        )

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        asked = {"job": job_id, "after": after, "limit": limit}
        return [EventRow(*row) for row in self._connection.execute(sql.EVENTS, asked)]

    def add_events(self, rows: Sequence[EventRow]) -> None:
        """Append events."""
        if rows:
            self._connection.execute(sql.ADD_EVENT, [asdict(row) for row in rows])
            self.told = True

    def version(self) -> int:
        """A number that grows with every event of any job."""
        return int(self._connection.execute(sql.VERSION).scalar() or 0)

    def next_token(self) -> int:
        """A fencing token, larger than any before."""
        mine = counters.c.name == TOKENS
        self._connection.execute(update(counters).where(mine).values(value=counters.c.value + 1))
        return int(self._connection.execute(select(counters.c.value).where(mine)).scalar_one())

    def _insert(self, table: Any) -> Any:
        return sqlite.insert(table)

    def _locking(self, query: Select[Any], *, patient: bool = True) -> Select[Any]:
        """The query as it locks what it reads; here the whole file is locked already."""
        return query

    def _one_job(self, query: Select[Any], **asked: object) -> JobRow | None:
        row = self._connection.execute(query, asked).one_or_none()
        return None if row is None else JobRow(*row)

    def _one_task(self, query: Select[Any], **asked: object) -> TaskRow | None:
        row = self._connection.execute(query, asked).one_or_none()
        return None if row is None else TaskRow(*row)

    def _all_tasks(self, query: Select[Any], **asked: object) -> list[TaskRow]:
        return [TaskRow(*row) for row in self._connection.execute(query, asked)]


class PostgresRows(SqlRows):
    """The same where rows are locked one by one."""

    def guard_needs(self, *, adding: bool) -> None:
        """Keep jobs from being added with prerequisites while one of these becomes done."""
        lock = "pg_advisory_xact_lock" if adding else "pg_advisory_xact_lock_shared"
        self._connection.exec_driver_sql(f"SELECT {lock}(hashtext(current_schema() || ' farm needs'))")

    def next_token(self) -> int:
        """A fencing token, larger than any before."""
        return int(self._connection.exec_driver_sql("SELECT nextval('farm_tokens')").scalar_one())

    def _insert(self, table: Any) -> Any:
        return postgresql.insert(table)

    def _locking(self, query: Select[Any], *, patient: bool = True) -> Select[Any]:
        if not self._write:
            return query
        # "No key" leaves rows that refer to the locked one free to be inserted.
        return query.with_for_update(key_share=True, skip_locked=not patient)


def _values(row: JobRow | TaskRow, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
