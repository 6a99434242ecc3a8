"""One open transaction: every change of a row goes through here, with its event and its counts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from farm.errors import IllegalTransition, NotFound, StaleLease
from farm.queue.books import Books
from farm.queue.facts import EventRow, JobRow, TaskRow
from farm.queue.records import Outcome
from farm.queue.rows import Rows
from farm.spec.event import Event
from farm.spec.record import Lease
from farm.spec.state import JOB_MOVES, TASK_MOVES, JobState, TaskState

FAULTLESS = frozenset({"invalid", "refused", "preempted", "moved", "restart", "sibling"})
"""Causes that say nothing against the node on which an attempt ended."""

NODE_LIMIT = 3
"""So many different tasks that failed on a node since its last success take it out."""


class QuotaReached(Exception):
    """Another claim took the last place that a project's limit left; ``project`` names it."""

    def __init__(self, project: str) -> None:
        super().__init__(project)
        self.project = project


class Ledger:
    """Rows of one transaction at one instant, changed by the rules only.

    Jobs are read once and written once, at the end, and projects after them: locks go in that order.
    """

    def __init__(self, rows: Rows, now: float) -> None:
        self.rows = rows
        self.now = now
        self.books = Books(rows, now)
        self._jobs: dict[str, JobRow] = {}
        self._found: dict[str, JobRow] = {}
        self._events: list[EventRow] = []
        self._shifts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self._named: set[str] = set()
        self._blamed: list[tuple[str, str]] = []
        self._absolved: list[str] = []

    def flush(self) -> None:
        """Write what was kept back.

        Raises:
            QuotaReached: a project would have more running than its limit.
        """
        for row in self._jobs.values():
            self._save(row)
        if self._events:
            self.rows.add_events(self._events)
        for name, (running, ready) in sorted(self._shifts.items()):
            shifted = running or ready or name in self._named
            if shifted and not self.rows.shift_project(name, running, ready):
                raise QuotaReached(name)
        for node in self._absolved:
            self.rows.absolve(node)
        for node, task in self._blamed:
            self._blame(node, task)
        self.books.flush()
        self.rows.flush()

    def job(self, job_id: str) -> JobRow:
        """A job.

        Raises:
            NotFound: there is none of that id.
        """
        known = self._jobs.get(job_id)
        if known is not None:
            return known
        row = self.rows.job(job_id)
        if row is None:
            raise NotFound(f"job: no {job_id!r}; 'farm jobs' lists them.", field="job")
        return self.take(row)

    def take(self, row: JobRow) -> JobRow:
        """A job that was read by other means than its id."""
        self._jobs[row.id] = self._found[row.id] = row
        return row

    def note_new(self, row: JobRow) -> None:
        """Count the tasks of a job that was just inserted."""
        running, ready = self._shifts[row.project]
        self._shifts[row.project] = (running + row.leased, ready + row.wanted)
        self._named.add(row.project)

    def change_job(self, job_id: str, **changes: Any) -> JobRow:
        """Change fields of a job."""
        row = replace(self.job(job_id), **{"updated_at": self.now, **changes})
        self._jobs[job_id] = row
        return row

    def held(self, lease: Lease) -> TaskRow:
        """The task of a lease that is still its worker's own.

        An expired lease holds until it is reaped: nobody else has the task before.

        Raises:
            StaleLease: the task was given back, ended, or is another worker's.
        """
        try:
            self.job(lease.job)
        except NotFound:
            raise stale(lease) from None
        task = self.rows.task(lease.task)
        if task is None or task.job != lease.job or task.token != lease.token:
            raise stale(lease)
        return task

    def log(self, job_id: str, event: Event) -> Event:
        """Append an event with its job, number and time filled in; returns it so."""
        seq = self.job(job_id).seq + 1
        written = event.model_copy(update={"job": job_id, "seq": seq, "at": self.now})
        body = written.model_dump_json()
        self.change_job(job_id, seq=seq)
        if written.kind in ("rendition", "done"):
            self.rows.note_shown(job_id, self.now, final=written.kind == "done")
        self._events.append(EventRow(job_id, seq, self.now, written.kind, body))
        return written

    def move_job(self, job_id: str, to: JobState, **changes: Any) -> None:
        """Change a job's state.

        Raises:
            IllegalTransition: the table of moves does not have it.
        """
        state = self.job(job_id).state
        if to not in JOB_MOVES[state]:
            raise illegal(job_id, state, to.value)
        if to.final:
            self.books.close(job_id)
        self.change_job(job_id, state=to, **changes)

    def move_task(self, task: TaskRow, to: TaskState, **changes: Any) -> TaskRow:
        """Change a task's state; returns it as it is then.

        Raises:
            IllegalTransition: the table of moves does not have it.
        """
        if to not in TASK_MOVES[task.state]:
            raise IllegalTransition(
                f"task: {task.id!r} is {task.state.value} and cannot become {to.value}; "
                "look at its job's events.",
                field="task",
            )
        moved = replace(task, **{**changes, "state": to})
        moved = replace(moved, delayed=to is TaskState.READY and moved.not_before > self.now)
        self.rows.save_task(moved)
        counted = self.job(task.job).counted(task.state, -1).counted(to, 1)
        delayed = counted.delayed + moved.delayed - task.delayed
        self._jobs[task.job] = replace(counted, delayed=delayed)
        return moved

    def note_unmet(self, task: TaskRow, unmet: int) -> None:
        """Note how many of the tasks that a task comes after are not done."""
        self.rows.save_task(replace(task, unmet=unmet))

    def note_checkpoint(self, task: TaskRow, blob: str) -> None:
        """Note the state from which a task's next attempt goes on."""
        self.rows.save_task(replace(task, checkpoint=blob))

    def settle_on(self, task: TaskRow, node: str) -> None:
        """Note the node on which a task's attempt runs."""
        assert task.token is not None
        self.rows.save_task(replace(task, node=node))
        self.rows.update_attempt(task.token, {"node": node})

    def recount(self, job_id: str) -> None:
        """Count a job's tasks anew, after many of them were changed at once."""
        counts, delayed = self.rows.count_tasks(job_id)
        numbers = {state.value: counts.get(state, 0) for state in TaskState}
        self.change_job(job_id, **numbers, delayed=delayed)

    def release(
        self,
        task: TaskRow,
        to: TaskState,
        outcome: Outcome,
        *,
        cause: str = "",
        reason: str = "",
        **changes: Any,
    ) -> TaskRow:
        """End a task's lease, and its attempt with what it cost; the token is void from here on."""
        assert task.token is not None
        self.books.end(task, cause, done=outcome == "done")
        freed = {"worker": None, "node": None, "lease_expires_at": None, "token": None}
        moved = self.move_task(task, to, **{**changes, **freed})
        ending = {"ended": self.now, "outcome": outcome, "cause": cause, "reason": reason}
        self.rows.update_attempt(task.token, ending)
        if task.node and outcome == "done":
            self._absolved.append(task.node)
        if task.node and outcome in ("failed", "lost", "quarantined"):
            self.blame(task, cause)
        return moved

    def blame(self, task: TaskRow, cause: str) -> None:
        """Count a task that failed against the node where it ran, unless the cause clears that."""
        if task.node and cause not in FAULTLESS:
            self._blamed.append((task.node, task.id))

    def _blame(self, node: str, task: str) -> None:
        found = self.rows.blame(node, task)
        if found.failed_tasks >= NODE_LIMIT and not found.out:
            reason = f"{found.failed_tasks} different tasks failed on it, the last one {task!r}"
            self.rows.judge(node, out=True, reason=reason, since=self.now)

    def _save(self, row: JobRow) -> None:
        found, row = self._found[row.id], row.derived()
        if row == found:
            return
        self.rows.save_job(row)
        running, ready = self._shifts[row.project]
        self._shifts[row.project] = (
            running + row.leased - found.leased, ready + row.wanted - found.wanted,
        )  # fmt: skip


def illegal(job_id: str, state: JobState, wish: str) -> IllegalTransition:
    """The job ``job_id`` is not in a state to become what is wished."""
    remedies = {
        JobState.DONE: "submit it again under another id for another result",
        JobState.FAILED: f"'farm retry {job_id}' queues it again",
        JobState.CANCELLED: f"'farm retry {job_id}' queues it again",
    }
    remedy = remedies.get(state, f"'farm show {job_id}' says how it stands")
    return IllegalTransition(
        f"job: {job_id!r} is {state.value} and cannot become {wish}; {remedy}.", field="job"
    )


def stale(lease: Lease) -> StaleLease:
    """The lease is no longer its worker's."""
    return StaleLease(
        f"lease: token {lease.token} of {lease.worker!r} on task {lease.task!r} is stale; "
        "drop the attempt and claim again.",
        field="lease",
    )
