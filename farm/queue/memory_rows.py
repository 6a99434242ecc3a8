"""``Rows`` as dictionaries that keep their changes to themselves until committed."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from farm.queue.facts import EventRow, Head, JobFilter, JobRow, TaskRow
from farm.queue.memory_money import MemoryMoney, Spent
from farm.queue.records import AttemptRecord
from farm.queue.rows import Changes
from farm.spec.state import JobState, TaskState


@dataclass
class Kept(Spent):
    """What was committed."""

    jobs: dict[str, JobRow] = field(default_factory=dict)
    tasks: dict[str, TaskRow] = field(default_factory=dict)
    tasks_of: dict[str, list[str]] = field(default_factory=dict)
    needs: set[tuple[str, str]] = field(default_factory=set)
    attempts: dict[int, tuple[str, AttemptRecord]] = field(default_factory=dict)
    events: dict[str, list[EventRow]] = field(default_factory=dict)
    version: int = 0
    token: int = 0


class MemoryRows(MemoryMoney):
    """One transaction's view: what was committed, under its own changes."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept)
        self._kept = kept
        self._jobs = ChainMap[str, JobRow]({}, kept.jobs)
        self._tasks = ChainMap[str, TaskRow]({}, kept.tasks)
        self._attempts = ChainMap[int, tuple[str, AttemptRecord]]({}, kept.attempts)
        self._needs: set[tuple[str, str]] = set()
        self._events: list[EventRow] = []
        self._token = kept.token

    def commit(self) -> bool:
        """Keep the changes; whether there are events among them."""
        kept = self._kept
        super().commit()
        kept.jobs.update(self._jobs.maps[0])
        for task_id, row in self._tasks.maps[0].items():
            if task_id not in kept.tasks:
                kept.tasks_of.setdefault(row.job, []).append(task_id)
            kept.tasks[task_id] = row
        kept.attempts.update(self._attempts.maps[0])
        kept.needs |= self._needs
        for event in self._events:
            kept.events.setdefault(event.job, []).append(event)
        kept.version += len(self._events)
        kept.token = self._token
        return bool(self._events)

    def job(self, job_id: str) -> JobRow | None:
        """A job."""
        return self._jobs.get(job_id)

    look = job
    free_job = job

    def jobs(self, wanted: JobFilter, limit: int, before: JobRow | None) -> list[JobRow]:
        """Jobs, newest first, older than ``before``."""
        found = [
            row
            for row in self._jobs.values()
            if wanted.admits(row) and (before is None or _age(row) < _age(before))
        ]
        return sorted(found, key=_age, reverse=True)[:limit]

    def add_jobs(self, rows: Sequence[JobRow]) -> set[str]:
        """Insert those whose id is new; returns the ids of these."""
        new = {row.id: row for row in rows if row.id not in self._jobs}
        self._jobs.update(new)
        return set(new)

    def save_job(self, row: JobRow) -> None:
        """Write a job back."""
        self._jobs[row.id] = row

    def heads(self, now: float) -> tuple[list[Head], bool]:
        """The projects below their limit with something to claim, and whether a delay is over."""
        found: dict[str, JobRow] = {}
        for row in self._jobs.values():
            known = found.get(row.project)
            if row.claimable and (known is None or _turn(row) < _turn(known)):
                found[row.project] = row
        shares = {project.name: project for project in self.projects()}
        heads = [
            Head(name, share.running, share.weight, row.id, row.rank, row.created_at)
            for name, row in found.items()
            if (share := shares[name]).max_running is None or share.running < share.max_running
        ]
        return heads, bool(self.due(now, 1))

    def next_job(self, project: str, avoid: Collection[str], *, patient: bool) -> JobRow | None:
        """The first job of a project with something to claim."""
        found = (
            row
            for row in self._jobs.values()
            if row.claimable and row.project == project and row.id not in avoid
        )
        return min(found, key=_turn, default=None)

    def guard_needs(self, *, adding: bool) -> None:
        """One transaction at a time is guard enough."""

    def add_needs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Note that the first job of each pair comes after the second."""
        self._needs.update(pairs)

    def states(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """The states of those of the jobs that exist."""
        return {job_id: self._jobs[job_id].state for job_id in job_ids if job_id in self._jobs}

    def dependants(self, job_id: str) -> list[str]:
        """Jobs that come after a job, by id."""
        return sorted(job for job, need in self._kept.needs | self._needs if need == job_id)

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        return dict(Counter(row.state for row in self._jobs.values()))

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        return self._tasks.get(task_id)

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        return sorted(self._of(job_id), key=lambda row: row.position)

    def add_tasks(self, rows: Sequence[TaskRow]) -> None:
        """Insert tasks, with what they come after."""
        self._tasks.update({row.id: row for row in rows})

    def save_task(self, row: TaskRow) -> None:
        """Write a task back."""
        self._tasks[row.id] = row

    def next_task(self, job_id: str, avoid: Collection[str]) -> tuple[TaskRow, int] | None:
        """The first task of a job to be claimed now, and a fencing token larger than any before."""
        for row in self.tasks(job_id):
            if row.state is TaskState.READY and not row.delayed and row.id not in avoid:
                self._token += 1
                return row, self._token
        return None

    def task_dependants(self, task_id: str) -> list[TaskRow]:
        """Tasks that come after a task."""
        job_id, _, name = task_id.rpartition("/")
        return [row for row in self._of(job_id) if name in row.after.split()]

    def drop_tasks(self, job_id: str) -> None:
        """Cancel what waits or is ready of a job's tasks."""
        for row in list(self._of(job_id)):
            if row.state in (TaskState.WAITING, TaskState.READY):
                self.save_task(replace(row, state=TaskState.CANCELLED, delayed=False))

    def free_tasks(self, job_id: str) -> None:
        """Make the tasks of a job ready that wait for nothing within it."""
        for row in list(self._of(job_id)):
            if row.state is TaskState.WAITING and not row.unmet:
                self.save_task(replace(row, state=TaskState.READY))

    def undelay(self, job_id: str, now: float) -> int:
        """End the delays of a job's tasks that are over; how many."""
        over = [row for row in self._of(job_id) if row.delayed and row.not_before <= now]
        for row in over:
            self.save_task(replace(row, delayed=False))
        return len(over)

    def due(self, now: float, limit: int) -> list[str]:
        """Some jobs with tasks whose delay is over."""
        delayed = (row.id for row in self._jobs.values() if row.delayed)
        over = (row.job for job in delayed for row in self._of(job) if _over(row, now))
        return [job for job, _ in zip(over, range(limit), strict=False)]

    def count_tasks(self, job_id: str) -> tuple[dict[TaskState, int], int]:
        """Number of a job's tasks in each state that has any, and of the delayed ones."""
        rows = list(self._of(job_id))
        return dict(Counter(row.state for row in rows)), sum(row.delayed for row in rows)

    def leased(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job that workers hold."""
        return [row for row in self.tasks(job_id) if row.state is TaskState.LEASED]

    def leases(self, expired: float | None, prefix: str) -> list[tuple[TaskRow, str]]:
        """Leased tasks with their job's spec, by expiry: run out at ``expired``, of such workers."""
        found = [
            (row.lease_expires_at, row.id, row)
            for row in self._tasks.values()
            if row.lease_expires_at is not None
            and (expired is None or row.lease_expires_at <= expired)
            and str(row.worker).startswith(prefix)
        ]
        return [(row, self._jobs[row.job].spec) for _, _, row in sorted(found, key=lambda f: f[:2])]

    def renew(self, task_id: str, token: int, expiry: float) -> bool:
        """Put off a lease's expiry; whether the token holds it still."""
        row = self._tasks.get(task_id)
        if row is None or row.token != token:
            return False
        self.save_task(replace(row, lease_expires_at=expiry))
        return True

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        return [record for _, (job, record) in sorted(self._attempts.items()) if job == job_id]

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        self._attempts[record.token] = (job_id, record)

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        job_id, record = self._attempts[token]
        self._attempts[token] = (job_id, record.model_copy(update=changes))

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        return [row for row in self._kept.events.get(job_id, []) if row.seq > after][:limit]

    def add_events(self, rows: Sequence[EventRow]) -> None:
        """Append events."""
        self._events.extend(rows)

    def version(self) -> int:
        """A number that grows with every event of any job."""
        return self._kept.version

    def flush(self) -> None:
        """Nothing is kept back."""

    def _every_job(self) -> Iterator[JobRow]:
        yield from self._jobs.values()

    def _of(self, job_id: str) -> Iterator[TaskRow]:
        known = self._kept.tasks_of.get(job_id, [])
        yield from (self._tasks[task_id] for task_id in known)
        for task_id, row in list(self._tasks.maps[0].items()):
            if row.job == job_id and task_id not in self._kept.tasks:
                yield row


def _age(row: JobRow) -> tuple[float, str]:
    return row.created_at, row.id


def _turn(row: JobRow) -> tuple[int, float, str]:
    return row.rank, row.created_at, row.id


def _over(row: TaskRow, now: float) -> bool:
    return row.delayed and row.not_before <= now
