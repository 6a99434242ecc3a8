"""``Rows`` as SQL statements inside one transaction."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from farm.queue.records import AttemptRecord
from farm.queue.rows import Changes, EventRow, JobRow, TaskRow
from farm.queue.tables import TOKENS, attempts, counters, events, jobs, tasks
from farm.spec.state import JobState, TaskState


class SqlRows:
    """Rows of the tables; the columns are named by the fields."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def job(self, job_id: str) -> JobRow | None:
        """A job."""
        row = self._connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        return None if row is None else JobRow(**row._mapping)

    def jobs(
        self, state: JobState | None, project: str | None, limit: int, before: JobRow | None
    ) -> list[JobRow]:
        """Jobs, newest first, older than ``before``."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if project is not None:
            query = query.where(jobs.c.project == project)
        if before is not None:
            age = jobs.c.created_at
            tie = and_(age == before.created_at, jobs.c.id < before.id)
            query = query.where(or_(age < before.created_at, tie))
        return [JobRow(**row._mapping) for row in self._connection.execute(query)]

    def add_job(self, row: JobRow) -> None:
        """Insert a job."""
        self._connection.execute(insert(jobs).values(asdict(row)))

    def update_job(self, job_id: str, changes: Changes) -> None:
        """Change fields of a job."""
        self._connection.execute(update(jobs).where(jobs.c.id == job_id).values(dict(changes)))

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        row = self._connection.execute(select(tasks).where(tasks.c.id == task_id)).one_or_none()
        return None if row is None else TaskRow(**row._mapping)

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        query = select(tasks).where(tasks.c.job == job_id).order_by(tasks.c.position)
        return [TaskRow(**row._mapping) for row in self._connection.execute(query)]

    def next_ready(self, now: float) -> TaskRow | None:
        """The task to be claimed first at ``now``."""
        query = (
            select(tasks)
            .join(jobs, jobs.c.id == tasks.c.job)
            .where(
                tasks.c.state == TaskState.READY,
                tasks.c.not_before <= now,
                jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)),
                jobs.c.cancel_requested.is_(False),
                jobs.c.pause_requested.is_(False),
            )
            .order_by(jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id, tasks.c.position)
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else TaskRow(**row._mapping)

    def leased(self) -> list[TaskRow]:
        """All leased tasks, by id."""
        query = select(tasks).where(tasks.c.state == TaskState.LEASED).order_by(tasks.c.id)
        return [TaskRow(**row._mapping) for row in self._connection.execute(query)]

    def add_task(self, row: TaskRow) -> None:
        """Insert a task."""
        self._connection.execute(insert(tasks).values(asdict(row)))

    def update_task(self, task_id: str, changes: Changes) -> None:
        """Change fields of a task."""
        self._connection.execute(update(tasks).where(tasks.c.id == task_id).values(dict(changes)))

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        columns = [attempts.c[name] for name in AttemptRecord.model_fields]
        query = select(*columns).where(attempts.c.job == job_id).order_by(attempts.c.token)
        return [AttemptRecord(**row._mapping) for row in self._connection.execute(query)]

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        self._connection.execute(insert(attempts).values(job=job_id, **record.model_dump()))

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        self._connection.execute(
            update(attempts).where(attempts.c.token == token).values(dict(changes))
        )

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        columns = [events.c[name] for name in EventRow.__dataclass_fields__]
        query = (
            select(*columns)
            .where(events.c.job == job_id, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )
        return [EventRow(**row._mapping) for row in self._connection.execute(query)]

    def add_event(self, row: EventRow) -> None:
        """Append an event."""
        self._connection.execute(insert(events).values(asdict(row)))

    def version(self) -> int:
        """A number that grows with every event of any job."""
        return int(self._connection.execute(select(func.max(events.c.position))).scalar() or 0)

    def next_token(self) -> int:
        """A fencing token, larger than any before."""
        mine = counters.c.name == TOKENS
        self._connection.execute(update(counters).where(mine).values(value=counters.c.value + 1))
        return int(self._connection.execute(select(counters.c.value).where(mine)).scalar_one())

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        return {state: number for state, number in self._connection.execute(query)}
