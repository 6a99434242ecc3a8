"""What people ask of a job: add it, hold it, let it go on, stop it, try it again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from farm.errors import Conflict, InvalidInput
from farm.queue.ledger import Ledger, illegal
from farm.queue.rows import JobRow, TaskRow, canonical
from farm.queue.transactions import Transactions
from farm.spec.event import Event, Queued, Rendition, Resumed
from farm.spec.job import NAME, Job
from farm.spec.record import JobRecord
from farm.spec.state import JobState, TaskState


class Orders(Transactions):
    """The orders a queue takes. Each is safe to repeat, and ``NotFound`` for an unknown job."""

    def add(
        self, job_id: str, spec: Job, *, tasks: Sequence[str] = ("print",)
    ) -> tuple[JobRecord, bool]:
        """Accept a job; returns it and whether it is new. Task ids are ``job_id/name``.

        Raises:
            InvalidInput: the id or a task's name is not valid.
            Conflict: the id is another spec's.
        """
        _check_names(job_id, tasks)
        text = canonical(spec)
        with self._writing("add") as ledger:
            known = ledger.rows.job(job_id)
            if known is None:
                _insert(ledger, job_id, spec, text, tasks)
            elif known.spec != text:
                raise Conflict(
                    f"job: {job_id!r} was used before for another spec; choose another id.", field="job"
                )
            return ledger.job(job_id).record(), known is None

    def cancel(self, job_id: str, reason: str = "") -> JobRecord:
        """Stop a job: at once if no worker holds it, else as soon as its worker confirms.

        Raises:
            IllegalTransition: it is done or has failed.
        """
        with self._writing("cancel") as ledger:
            job = ledger.job(job_id)
            if job.state in (JobState.DONE, JobState.FAILED):
                raise illegal(job_id, job.state, "cancelled")
            if job.state is JobState.RUNNING and not job.cancel_requested:
                ledger.rows.update_job(
                    job_id, {"cancel_requested": True, "reason": reason, "updated_at": ledger.now}
                )
            elif not job.state.final and not job.cancel_requested:
                ledger.cancel(job_id, reason)
            return ledger.job(job_id).record()

    def pause(self, job_id: str) -> JobRecord:
        """Hold a job back: at once if no worker holds it, else as soon as its worker confirms.

        Raises:
            IllegalTransition: it has ended or is being cancelled.
        """
        with self._writing("pause") as ledger:
            job = ledger.job(job_id)
            if job.state.final or job.cancel_requested:
                raise illegal(job_id, job.state, "paused")
            if job.state is JobState.RUNNING:
                ledger.rows.update_job(job_id, {"pause_requested": True, "updated_at": ledger.now})
            elif job.state is JobState.QUEUED:
                ledger.pause(job_id)
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
            if job.state is JobState.PAUSED:
                ledger.move_job(job_id, JobState.QUEUED)
                ledger.log(job_id, Resumed())
            elif job.pause_requested:
                ledger.rows.update_job(job_id, {"pause_requested": False, "updated_at": ledger.now})
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
                if task.state is not TaskState.DONE:
                    ledger.move_task(task, TaskState.READY, failures=0, not_before=0.0)
            ledger.move_job(job_id, JobState.QUEUED, reason="")
            ledger.log(job_id, Queued(reason=f"retry of a {job.state.value} job"))
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


def _insert(ledger: Ledger, job_id: str, spec: Job, text: str, tasks: Sequence[str]) -> None:
    now, state = ledger.now, JobState.QUEUED
    ledger.rows.add_job(JobRow(job_id, text, state, spec.project, spec.priority, now, now))
    for position, name in enumerate(tasks):
        ledger.rows.add_task(TaskRow(f"{job_id}/{name}", job_id, position, TaskState.READY))
    ledger.log(job_id, Queued())


def _check_names(job_id: str, tasks: Sequence[str]) -> None:
    for field, name in [("id", job_id), *(("tasks", name) for name in tasks)]:
        if not re.fullmatch(NAME.removesuffix("$"), name):
            raise InvalidInput(
                f"{field}: {name!r} is not valid; use 1-64 letters, digits, '.', '_' or '-', "
                "beginning with a letter or digit.",
                field=field,
            )
    if not tasks or len(set(tasks)) != len(tasks):
        raise InvalidInput(
            f"tasks: {list(tasks)!r} is not valid; give at least one, each once.", field="tasks"
        )
