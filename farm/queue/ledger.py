"""One open transaction: every change of a row goes through here, with its event."""

from __future__ import annotations

from farm.errors import IllegalTransition, NotFound, StaleLease
from farm.queue.records import Outcome
from farm.queue.rows import EventRow, JobRow, Rows, TaskRow
from farm.spec.event import CancelledEvent, Event, Paused, Retrying
from farm.spec.record import Lease
from farm.spec.state import JOB_MOVES, TASK_MOVES, JobState, TaskState


class Ledger:
    """Rows of one transaction at one instant, changed by the rules only."""

    def __init__(self, rows: Rows, now: float) -> None:
        self.rows = rows
        self.now = now

    def job(self, job_id: str) -> JobRow:
        """A job.

        Raises:
            NotFound: there is none of that id.
        """
        row = self.rows.job(job_id)
        if row is None:
            raise NotFound(f"job: no {job_id!r}; 'farm jobs' lists them.", field="job")
        return row

    def held(self, lease: Lease) -> TaskRow:
        """The task of a lease that is still its worker's own.

        An expired lease holds until it is reaped: nobody else has the task before.

        Raises:
            StaleLease: the task was given back, ended, or is another worker's.
        """
        task = self.rows.task(lease.task)
        if task is None or task.state is not TaskState.LEASED or task.token != lease.token:
            raise StaleLease(
                f"lease: token {lease.token} of {lease.worker!r} on task {lease.task!r} is stale; "
                "drop the attempt and claim again.",
                field="lease",
            )
        return task

    def log(self, job_id: str, event: Event) -> Event:
        """Append an event with its job, number and time filled in; returns it so."""
        seq = self.job(job_id).seq + 1
        written = event.model_copy(update={"job": job_id, "seq": seq, "at": self.now})
        body = written.model_dump_json()
        self.rows.update_job(job_id, {"seq": seq, "updated_at": self.now})
        self.rows.add_event(EventRow(job_id, seq, self.now, written.kind, body))
        return written

    def move_job(self, job_id: str, to: JobState, **changes: object) -> None:
        """Change a job's state.

        Raises:
            IllegalTransition: the table of moves does not have it.
        """
        state = self.job(job_id).state
        if to not in JOB_MOVES[state]:
            raise illegal(job_id, state, to.value)
        self.rows.update_job(job_id, {"state": to, "updated_at": self.now, **changes})

    def move_task(self, task: TaskRow, to: TaskState, **changes: object) -> None:
        """Change a task's state.

        Raises:
            IllegalTransition: the table of moves does not have it.
        """
        if to not in TASK_MOVES[task.state]:
            raise IllegalTransition(
                f"task: {task.id!r} is {task.state.value} and cannot become {to.value}; "
                "look at its job's events.",
                field="task",
            )
        self.rows.update_task(task.id, {"state": to, **changes})

    def release(
        self,
        task: TaskRow,
        to: TaskState,
        outcome: Outcome,
        *,
        cause: str = "",
        reason: str = "",
        **changes: object,
    ) -> None:
        """End a task's lease and its attempt; the token is void from here on."""
        assert task.token is not None
        self.move_task(task, to, worker=None, lease_expires_at=None, token=None, **changes)
        ending = {"ended": self.now, "outcome": outcome, "cause": cause, "reason": reason}
        self.rows.update_attempt(task.token, ending)

    def give_back(self, task: TaskRow, event: Retrying, outcome: Outcome, *, counts: bool) -> None:
        """End a lease without a result: the task waits for its next attempt unless cancelled."""
        ending = {"cause": event.cause, "reason": event.reason}
        if self.job(task.job).cancel_requested:
            self.release(task, TaskState.CANCELLED, outcome, **ending)
        else:
            failures = task.failures + counts
            not_before = self.now + event.delay
            self.release(
                task, TaskState.READY, outcome, **ending, failures=failures, not_before=not_before
            )
            self.log(task.job, event)
        self.settle(task.job)

    def settle(self, job_id: str) -> None:
        """Bring an unfinished job to the state that its tasks and its requests call for."""
        job = self.job(job_id)
        if any(task.state is TaskState.LEASED for task in self.rows.tasks(job_id)):
            return
        if job.cancel_requested:
            self.cancel(job_id, job.reason)
        elif job.pause_requested:
            self.pause(job_id)
        else:
            self.move_job(job_id, JobState.QUEUED)

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job that no worker holds."""
        self.drop_tasks(job_id)
        self.move_job(
            job_id, JobState.CANCELLED, cancel_requested=False, pause_requested=False, reason=reason
        )
        self.log(job_id, CancelledEvent(reason=reason))

    def pause(self, job_id: str) -> None:
        """Hold back a job that no worker holds."""
        self.move_job(job_id, JobState.PAUSED, pause_requested=False)
        self.log(job_id, Paused())

    def drop_tasks(self, job_id: str) -> None:
        """Cancel what is left of a job's tasks; workers that hold one find their lease stale."""
        for task in self.rows.tasks(job_id):
            if task.state is TaskState.READY:
                self.move_task(task, TaskState.CANCELLED)
            elif task.state is TaskState.LEASED:
                reason = "another task of the job failed"
                self.release(task, TaskState.CANCELLED, "cancelled", cause="sibling", reason=reason)


def illegal(job_id: str, state: JobState, wish: str) -> IllegalTransition:
    """The job ``job_id`` is not in a state to become what is wished."""
    can = ", ".join(sorted(JOB_MOVES[state])) or "nothing else"
    return IllegalTransition(
        f"job: {job_id!r} is {state.value} and cannot become {wish}; it can become {can}.", field="job"
    )
