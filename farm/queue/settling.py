"""What follows for a job when one of its tasks ends, or is given back."""

from __future__ import annotations

import json

from farm.queue.facts import TaskRow
from farm.queue.ledger import Ledger
from farm.queue.money import dollars
from farm.queue.records import Outcome
from farm.spec.cost import Pace
from farm.spec.event import CancelledEvent, Done, Failed, Paused, Quarantined, Queued, Retrying
from farm.spec.state import JobState, TaskState

MAX_LOSSES = 3
"""A task whose worker was lost so many times is set aside: it may be what kills them."""


def give_back(
    ledger: Ledger, task: TaskRow, event: Retrying, outcome: Outcome, *, counts: bool, lost: bool
) -> None:
    """End a lease without a result: the task waits for its next attempt unless cancelled."""
    cause, reason = event.cause, event.reason
    losses = task.losses + lost
    if outcome == "retry" and counts:
        ledger.blame(task, cause)
    if ledger.job(task.job).cancel_requested:
        ledger.release(task, TaskState.CANCELLED, outcome, cause=cause, reason=reason, losses=losses)
    elif lost and losses >= MAX_LOSSES:
        told = f"the task lost its worker {losses} times, the last time because: {reason}"
        verdict = Quarantined(task=task.id, attempt=task.attempt, cause=cause, reason=told)
        quarantine(ledger, task, verdict, losses=losses)
        return
    else:
        not_before = ledger.now + event.delay if event.delay else 0.0
        ledger.release(
            task, TaskState.READY, outcome, cause=cause, reason=reason, losses=losses,
            failures=task.failures + counts, not_before=not_before,
        )  # fmt: skip
        ledger.log(task.job, event)
    settle(ledger, task.job)


def complete(ledger: Ledger, task: TaskRow, done: Done, pace: Pace | None) -> Done:
    """End a task with its result; the job's last task ends the job with ``done``.

    Returns the result with what the job has cost, where its attempts had a price.
    """
    ledger.books.count(task, pace)
    cost = ledger.books.cost(task.job)
    if cost is not None and cost.spent:
        done = done.model_copy(update={"usd": dollars(cost.spent)})
    ledger.release(task, TaskState.DONE, "done", result=json.dumps(done.model_dump(mode="json")))
    for other in ledger.rows.task_dependants(task.id):
        _meet(ledger, other)
    job = ledger.job(task.job)
    if job.waiting + job.ready + job.leased + job.failed + job.cancelled + job.quarantined:
        settle(ledger, task.job)
        return done
    # A cancel or pause that came too late for the work gives way to its result.
    ledger.move_job(task.job, JobState.DONE, cancel_requested=False, pause_requested=False, reason="")
    ledger.log(task.job, done)
    ledger.rows.guard_needs(adding=False)
    for dependant in ledger.rows.dependants(task.job):
        _unblock(ledger, dependant)
    return done


def fail(ledger: Ledger, job_id: str, cause: str, reason: str) -> None:
    """End a job whose task ended for good, and what is left of its other tasks."""
    drop_tasks(ledger, job_id, "sibling", "another task of the job failed")
    ledger.move_job(
        job_id, JobState.FAILED, cancel_requested=False, pause_requested=False, reason=reason
    )
    ledger.log(job_id, Failed(cause=cause, reason=reason))


def quarantine(ledger: Ledger, task: TaskRow, verdict: Quarantined, *, losses: int) -> None:
    """Set a task aside with its evidence, and fail its job."""
    ledger.release(
        task, TaskState.QUARANTINED, "quarantined",
        cause=verdict.cause, reason=verdict.reason, losses=losses,
    )  # fmt: skip
    ledger.log(task.job, verdict)
    fail(ledger, task.job, "quarantined", verdict.reason)


def settle(ledger: Ledger, job_id: str) -> None:
    """Bring an unfinished job to the state that its tasks and its requests call for."""
    job = ledger.job(job_id)
    if job.leased:
        return
    if job.cancel_requested:
        cancel(ledger, job_id, job.reason)
    elif not job.ready and not job.waiting:
        _end_incomplete(ledger, job_id)
    elif job.pause_requested:
        pause(ledger, job_id)
    else:
        ledger.move_job(job_id, JobState.QUEUED)


def cancel(ledger: Ledger, job_id: str, reason: str) -> None:
    """End a job, and the leases of workers that hold one of its tasks."""
    drop_tasks(ledger, job_id, "cancelled", reason)
    ledger.move_job(
        job_id, JobState.CANCELLED, cancel_requested=False, pause_requested=False, reason=reason
    )
    ledger.log(job_id, CancelledEvent(reason=reason))


def pause(ledger: Ledger, job_id: str) -> None:
    """Hold back a job that no worker holds."""
    ledger.move_job(job_id, JobState.PAUSED, pause_requested=False)
    ledger.log(job_id, Paused(reason=ledger.job(job_id).reason))


def drop_tasks(ledger: Ledger, job_id: str, cause: str, reason: str) -> None:
    """Cancel what is left of a job's tasks; workers that hold one find their lease stale."""
    for task in ledger.rows.leased(job_id):
        ledger.release(task, TaskState.CANCELLED, "cancelled", cause=cause, reason=reason)
    job = ledger.job(job_id)
    if job.ready or job.waiting:
        ledger.rows.drop_tasks(job_id)
        ledger.recount(job_id)


def _meet(ledger: Ledger, task: TaskRow) -> None:
    """One of the tasks that a task comes after is done."""
    unmet = task.unmet - 1
    if task.state is TaskState.WAITING and not unmet and not ledger.job(task.job).unmet:
        ledger.move_task(task, TaskState.READY, unmet=unmet)
    else:
        ledger.note_unmet(task, unmet)


def _unblock(ledger: Ledger, job_id: str) -> None:
    """One of the jobs that a job comes after is done."""
    job = ledger.change_job(job_id, unmet=ledger.job(job_id).unmet - 1)
    if job.unmet or not job.waiting:
        return
    ledger.rows.free_tasks(job_id)
    ledger.recount(job_id)
    if job.state is JobState.QUEUED:
        ledger.log(job_id, Queued(reason="the jobs that it comes after are done"))


def _end_incomplete(ledger: Ledger, job_id: str) -> None:
    """End a job with nothing left to do of which some tasks had ended without a result."""
    job = ledger.job(job_id)
    short = job.failed + job.cancelled + job.quarantined
    reason = f"{short} of its tasks had ended without a result and were not tried again; retry them"
    if job.failed + job.quarantined:
        ledger.move_job(
            job_id, JobState.FAILED, cancel_requested=False, pause_requested=False, reason=reason
        )
        ledger.log(job_id, Failed(cause="incomplete", reason=reason))
    else:
        cancel(ledger, job_id, reason)
