"""The few things an open transaction can read and write, whatever keeps the rows.

All rules of the queue are written against ``Rows``; a kind of database is one implementation of it.
Where a database locks rows rather than the whole file, a writing transaction locks as it reads, always
in this order: jobs (several of them by id), tasks, projects (by name), nodes, sums of costs (by key).
``next_job`` passes over what others hold, so that claims do not queue up behind each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from farm.queue.facts import EventRow, Head, JobFilter, JobRow, TaskRow
from farm.queue.money_facts import CapRow, CostFilter, CostRow, RunRow
from farm.queue.records import AttemptRecord, NodeRecord, ProjectRecord
from farm.spec.cost import CostLine, Exposure, Grouping, Wait
from farm.spec.state import JobState, TaskState

Changes = Mapping[str, object]
"""New values by field name."""


class JobRows(Protocol):
    """Jobs, and which of them comes after which."""

    def job(self, job_id: str) -> JobRow | None:
        """A job."""
        ...

    def look(self, job_id: str) -> JobRow | None:
        """A job, without a lock on it."""
        ...

    def free_job(self, job_id: str) -> JobRow | None:
        """A job, or None where another transaction holds it."""
        ...

    def jobs(self, wanted: JobFilter, limit: int, before: JobRow | None) -> list[JobRow]:
        """Jobs, newest first, older than ``before``."""
        ...

    def add_jobs(self, rows: Sequence[JobRow]) -> set[str]:
        """Insert those whose id is new; returns the ids of these."""
        ...

    def save_job(self, row: JobRow) -> None:
        """Write a job back."""
        ...

    def heads(self, now: float) -> tuple[list[Head], bool]:
        """The projects below their limit with something to claim, and whether a delay is over."""
        ...

    def next_job(self, project: str, avoid: Collection[str], *, patient: bool) -> JobRow | None:
        """The first job of a project with something to claim: by priority, then age, then id.

        A patient caller waits for one that another transaction holds, others pass over it.
        """
        ...

    def guard_needs(self, *, adding: bool) -> None:
        """Keep jobs from being added with prerequisites while one of these becomes done."""
        ...

    def add_needs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Note that the first job of each pair comes after the second."""
        ...

    def states(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """The states of those of the jobs that exist."""
        ...

    def dependants(self, job_id: str) -> list[str]:
        """Jobs that come after a job, by id."""
        ...

    def counts(self) -> dict[JobState, int]:
        """Number of jobs in each state that has any."""
        ...


class TaskRows(Protocol):
    """Tasks, which of them comes after which, and who holds them."""

    def task(self, task_id: str) -> TaskRow | None:
        """A task."""
        ...

    def tasks(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job, in the order they were added."""
        ...

    def add_tasks(self, rows: Sequence[TaskRow]) -> None:
        """Insert tasks, with what they come after."""
        ...

    def save_task(self, row: TaskRow) -> None:
        """Write a task back."""
        ...

    def next_task(self, job_id: str, avoid: Collection[str]) -> tuple[TaskRow, int] | None:
        """The first task of a job to be claimed now, and a fencing token larger than any before."""
        ...

    def task_dependants(self, task_id: str) -> list[TaskRow]:
        """Tasks that come after a task."""
        ...

    def drop_tasks(self, job_id: str) -> None:
        """Cancel what waits or is ready of a job's tasks."""
        ...

    def free_tasks(self, job_id: str) -> None:
        """Make the tasks of a job ready that wait for nothing within it."""
        ...

    def undelay(self, job_id: str, now: float) -> int:
        """End the delays of a job's tasks that are over; how many."""
        ...

    def due(self, now: float, limit: int) -> list[str]:
        """Some jobs with tasks whose delay is over."""
        ...

    def count_tasks(self, job_id: str) -> tuple[dict[TaskState, int], int]:
        """Number of a job's tasks in each state that has any, and of the delayed ones."""
        ...

    def leased(self, job_id: str) -> list[TaskRow]:
        """Tasks of a job that workers hold."""
        ...

    def leases(self, expired: float | None, prefix: str) -> list[tuple[TaskRow, str]]:
        """Leased tasks with their job's spec, by expiry: run out at ``expired``, of such workers."""
        ...

    def renew(self, task_id: str, token: int, expiry: float) -> bool:
        """Put off a lease's expiry; whether the token holds it still."""
        ...


class LogRows(Protocol):
    """Attempts and events."""

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first."""
        ...

    def add_attempt(self, job_id: str, record: AttemptRecord) -> None:
        """Insert an attempt."""
        ...

    def update_attempt(self, token: int, changes: Changes) -> None:
        """Change fields of the attempt with that token."""
        ...

    def events(self, job_id: str, after: int, limit: int) -> list[EventRow]:
        """Events of a job with a ``seq`` over ``after``, in order."""
        ...

    def add_events(self, rows: Sequence[EventRow]) -> None:
        """Append events."""
        ...

    def version(self) -> int:
        """A number that grows with every event of any job."""
        ...


class ShareRows(Protocol):
    """Projects and nodes."""

    def projects(self) -> list[ProjectRecord]:
        """Every project that a job or an operator named, by name."""
        ...

    def set_project(self, name: str, weight: float, max_running: int | None) -> None:
        """Set a project's share and limit."""
        ...

    def shift_project(self, name: str, running: int, ready: int) -> bool:
        """Add to a project's counts; False, and nothing added, where its limit would be passed."""
        ...

    def nodes(self) -> list[NodeRecord]:
        """Nodes with failures, by name."""
        ...

    def blame(self, node: str, task: str) -> NodeRecord:
        """Note that a task failed on a node; returns the node as it is then."""
        ...

    def absolve(self, node: str) -> None:
        """Forget the tasks that failed on a node."""
        ...

    def judge(self, node: str, *, out: bool, reason: str, since: float | None) -> None:
        """Take a node out, or back in."""
        ...


class MoneyRows(Protocol):
    """Caps, costs and what was seen of pools and waits. A job's own rows go with the lock on it."""

    def cap(self, project: str) -> CapRow | None:
        """What a project may spend and has promised; a writing transaction keeps others from it."""
        ...

    def caps(self) -> list[CapRow]:
        """The same of every project, without a lock."""
        ...

    def set_cap(self, row: CapRow) -> None:
        """Set a project's cap and its period; the rest of the row is left as it is."""
        ...

    def shift_reserved(self, project: str, amount: int) -> None:
        """Add to what a project has promised; it was named before."""
        ...

    def spend(self, project: str, day: int, amount: int) -> None:
        """Add to what a project spent on a day."""
        ...

    def spending(self, first: int, project: str | None = None) -> list[tuple[str, int, int]]:
        """Project, day and amount of all spending, or a project's, from the day ``first`` on."""
        ...

    def cost(self, job_id: str) -> CostRow | None:
        """A job's quote and cost."""
        ...

    def save_cost(self, row: CostRow) -> None:
        """Write a job's cost, for the first time or back."""
        ...

    def parked(self) -> list[CostRow]:
        """Costs of jobs that were parked, by project and job."""
        ...

    def run(self, token: int) -> RunRow | None:
        """What the attempt with that token runs on, and has taken."""
        ...

    def runs(self, job_id: str) -> list[RunRow]:
        """Those of a job, oldest first."""
        ...

    def save_run(self, row: RunRow) -> None:
        """Write what an attempt runs on, for the first time or back."""
        ...

    def count_run(self, token: int, now: float, most: float) -> None:
        """Count an attempt's time up to ``now``, as ``RunRow.counted`` does, but not yet its price."""
        ...

    def paced(self, pool: str, extractor: str, limit: int) -> list[RunRow]:
        """The newest runs with a pace there, the newest first."""
        ...

    def expose(self, pool: str, day: int, hours: float, preemptions: int) -> None:
        """Add to what was seen of a pool on a day."""
        ...

    def exposures(self, first: int) -> list[Exposure]:
        """What was seen of every pool from the day ``first`` on, by pool and day."""
        ...

    def costs(self, by: Grouping, wanted: CostFilter) -> list[CostLine]:
        """Costs of the attempts that are wanted, summed up; in no order."""
        ...

    def note_shown(self, job_id: str, at: float, *, final: bool) -> None:
        """Note that a job has a picture to look at, if that is its first, or its final one."""
        ...

    def waits(self, since: float, limit: int) -> list[Wait]:
        """Waits for jobs accepted since then, newest first, those that go on included."""
        ...


class Rows(JobRows, TaskRows, LogRows, ShareRows, MoneyRows, Protocol):
    """What one open transaction can read and write."""

    def flush(self) -> None:
        """Send what was kept back to be written together; the last call before the commit."""
        ...
