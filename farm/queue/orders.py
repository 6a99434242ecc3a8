"""What people ask of a job: hold it, let it go on, stop it, try it again."""

from __future__ import annotations

from collections.abc import Sequence

from farm.errors import IllegalTransition, InvalidInput
from farm.queue import settling
from farm.queue.facts import TaskRow
from farm.queue.ledger import Ledger, illegal
from farm.queue.transactions import Transactions
from farm.spec.event import Event, Queued, Rendition, Resumed
from farm.spec.record import JobRecord
from farm.spec.state import JobState, TaskState

RETRIABLE = (TaskState.FAILED, TaskState.CANCELLED, TaskState.QUARANTINED)
"""Tasks that ended without a result."""


class Orders(Transactions):
    """The orders a queue takes. Each is safe to repeat, and ``NotFound`` for an unknown job."""

    def cancel(self, job_id: str, reason: str = "", *, at_once: bool = False) -> JobRecord:
        """Stop a job: at once if no worker holds it, else as soon as its workers confirm.

        With ``at_once`` its workers are not waited for: their leases end here, and whatever they write
        after is refused.

        Raises:
            IllegalTransition: it is done or has failed.
        """
        with self._writing("cancel") as ledger:
            job = ledger.job(job_id)
            if job.state in (JobState.DONE, JobState.FAILED):
                raise illegal(job_id, job.state, "cancelled")
            asked = job.cancel_requested
            if job.state is JobState.RUNNING and not at_once:
                if not asked:
                    ledger.change_job(job_id, cancel_requested=True, reason=reason)
            elif not job.state.final:
                settling.cancel(ledger, job_id, reason or job.reason)
            return ledger.job(job_id).record()

    def pause(self, job_id: str) -> JobRecord:
        """Hold a job back: at once if no worker holds it, else as soon as its workers confirm.

        Raises:
            IllegalTransition: it has ended or is being cancelled.
        """
        with self._writing("pause") as ledger:
            job = ledger.job(job_id)
            if job.state.final or job.cancel_requested:
                raise illegal(job_id, job.state, "paused")
            if job.state is JobState.RUNNING:
                if not job.pause_requested:
                    ledger.change_job(job_id, pause_requested=True)
            elif job.state is JobState.QUEUED:
                settling.pause(ledger, job_id)
            return ledger.job(job_id).record()

    def resume(self, job_id: str) -> JobRecord:
        """Let a paused job go on; one that was not paused yet just is not.

        Raises:
            IllegalTransition: it has ended.
        """
        with self._writing("resume") as ledger:
            job = ledger.job(job_id)
            if job.state.final:
                raise illegal(job_id, job.state, "resumed")
            ledger.books.unpark(job_id, reserve=False)
            if job.state is JobState.PAUSED:
                ledger.move_job(job_id, JobState.QUEUED, reason="")
                ledger.log(job_id, Resumed())
            elif job.pause_requested:
                ledger.change_job(job_id, pause_requested=False, reason="")
            return ledger.job(job_id).record()

    def retry_job(self, job_id: str) -> JobRecord:
        """Queue a failed or cancelled job again, with its failures forgotten and checkpoints kept.

        Raises:
            IllegalTransition: it has neither failed nor been cancelled.
        """
        with self._writing("retry_job") as ledger:
            job = ledger.job(job_id)
            if job.state not in (JobState.FAILED, JobState.CANCELLED):
                raise illegal(job_id, job.state, "queued by a retry")
            for task in ledger.rows.tasks(job_id):
                if task.state in RETRIABLE:
                    _renew(ledger, task)
            ledger.move_job(job_id, JobState.QUEUED, reason="")
            ledger.log(job_id, Queued(reason=f"retry of a {job.state.value} job"))
            return ledger.job(job_id).record()

    def retry_tasks(self, job_id: str, names: Sequence[str]) -> JobRecord:
        """Try only those tasks of a job again; they failed, were cancelled or quarantined.

        Raises:
            InvalidInput: one is no task of the job, or comes after one that ended without a result
                and is not to be tried again.
            IllegalTransition: one did not end, or ended with its result.
        """
        with self._writing("retry_tasks") as ledger:
            job = ledger.job(job_id)
            tasks = {task.name: task for task in ledger.rows.tasks(job_id)}
            _check_retry(job_id, tasks, names)
            for name in dict.fromkeys(names):
                _renew(ledger, tasks[name])
            if job.state.final:
                ledger.move_job(job_id, JobState.QUEUED, reason="")
            ledger.log(job_id, Queued(reason=f"retry of {_listed(names)}"))
            return ledger.job(job_id).record()

    def append(self, job_id: str, event: Event) -> Event | None:
        """Write an event of no worker's; returns it, or None where the job has ended before.

        Raises:
            ValueError: it is neither a rendition nor ``queued``; others are written by the rules.
        """
        if not isinstance(event, Rendition | Queued):
            raise ValueError(f"a {event.kind!r} event needs a lease or an order")
        with self._writing("append") as ledger:
            return None if ledger.job(job_id).state.final else ledger.log(job_id, event)


def _renew(ledger: Ledger, task: TaskRow) -> None:
    blocked = task.unmet or ledger.job(task.job).unmet
    state = TaskState.WAITING if blocked else TaskState.READY
    ledger.move_task(task, state, failures=0, losses=0, not_before=0.0)


def _check_retry(job_id: str, tasks: dict[str, TaskRow], names: Sequence[str]) -> None:
    if not names:
        raise InvalidInput("tasks: none is named; name at least one to try again.", field="tasks")
    for name in names:
        task = tasks.get(name)
        if task is None:
            raise InvalidInput(
                f"tasks: {name!r} is no task of job {job_id!r}; 'farm show {job_id}' lists them.",
                field="tasks",
            )
        if task.state not in RETRIABLE:
            raise IllegalTransition(
                f"task: {task.id!r} is {task.state.value} and cannot be tried again; "
                "only failed, cancelled and quarantined ones can.",
                field="tasks",
            )
        for need in task.after.split():
            if need not in names and tasks[need].state in RETRIABLE:
                raise InvalidInput(
                    f"tasks: {name!r} comes after {need!r}, which is {tasks[need].state.value}; "
                    "try that one again too.",
                    field="tasks",
                )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
