"""What a worker does with a task. Every write here is fenced by its lease."""

from __future__ import annotations

import json

from farm.queue.ledger import Ledger
from farm.queue.records import AttemptRecord, Heartbeat
from farm.queue.transactions import Transactions
from farm.spec.event import (
    Adjusted,
    Checkpointed,
    Done,
    Event,
    Failed,
    Progress,
    Queued,
    Rendition,
    Retrying,
    Routed,
    Started,
)
from farm.spec.record import Lease
from farm.spec.state import JobState, TaskState

RECORDED = (Routed, Started, Adjusted, Progress, Rendition)
"""Events that change no state, and so are a worker's to write as they come."""


class Leases(Transactions):
    """A worker's writes. With a stale lease each raises ``StaleLease`` and writes nothing."""

    def claim(self, worker: str, ttl: float) -> Lease | None:
        """Take the first ready task for ``ttl`` seconds: by priority, then age, then id."""
        with self._writing("claim") as ledger:
            ready = ledger.rows.next_ready(ledger.now)
            if ready is None:
                return None
            token, attempt = ledger.rows.next_token(), ready.attempt + 1
            expiry = ledger.now + ttl
            ledger.move_task(
                ready, TaskState.LEASED,
                attempt=attempt, token=token, worker=worker, lease_expires_at=expiry,
            )  # fmt: skip
            begun = AttemptRecord(
                task=ready.id, attempt=attempt, token=token, worker=worker, started=ledger.now
            )
            ledger.rows.add_attempt(ready.job, begun)
            job = ledger.job(ready.job)
            if job.state is not JobState.RUNNING:
                ledger.move_job(job.id, JobState.RUNNING)
            task = ledger.rows.task(ready.id)
            assert task is not None
            return task.lease(job.spec)

    def heartbeat(self, lease: Lease, ttl: float) -> Heartbeat:
        """Keep a task for ``ttl`` seconds from now, and hear what was asked of its job."""
        with self._writing("heartbeat") as ledger:
            task = ledger.held(lease)
            expiry = ledger.now + ttl
            ledger.rows.update_task(task.id, {"lease_expires_at": expiry})
            job = ledger.job(task.job)
            return Heartbeat(
                lease=lease.model_copy(update={"expires_at": expiry}),
                cancel_requested=job.cancel_requested,
                pause_requested=job.pause_requested,
            )

    def record(self, lease: Lease, *events: Event) -> list[Event]:
        """Append events to the job's log; returns them numbered and dated.

        Raises:
            ValueError: an event of a kind that goes with a change of state.
        """
        for event in events:
            if not isinstance(event, RECORDED):
                raise ValueError(f"a {event.kind!r} event is written by the rule that it goes with")
        with self._writing("record") as ledger:
            task = ledger.held(lease)
            return [ledger.log(task.job, event) for event in events]

    def checkpoint(self, lease: Lease, event: Checkpointed) -> Event:
        """Remember the state from which the next attempt goes on."""
        with self._writing("checkpoint") as ledger:
            task = ledger.held(lease)
            ledger.rows.update_task(task.id, {"checkpoint": event.blob})
            return ledger.log(task.job, event)

    def complete(self, lease: Lease, done: Done) -> None:
        """End a task with its result; the job's last task ends the job with ``done``."""
        with self._writing("complete") as ledger:
            task = ledger.held(lease)
            result = json.dumps(done.model_dump(mode="json"))
            ledger.release(task, TaskState.DONE, "done", result=result)
            if any(other.state is not TaskState.DONE for other in ledger.rows.tasks(task.job)):
                ledger.settle(task.job)
                return
            # A cancel or pause that came too late for the work gives way to its result.
            ledger.move_job(
                task.job, JobState.DONE, cancel_requested=False, pause_requested=False, reason=""
            )
            ledger.log(task.job, done)

    def retry(
        self, lease: Lease, cause: str, reason: str, *, delay: float = 0.0, counts: bool = True
    ) -> None:
        """Give a task back for another attempt after ``delay`` seconds.

        ``counts`` says whether this attempt goes against the limit of failures.
        """
        with self._writing("retry") as ledger:
            task = ledger.held(lease)
            event = Retrying(
                task=task.id, attempt=task.attempt, cause=cause, reason=reason, delay=delay
            )
            ledger.give_back(task, event, "retry", counts=counts)

    def fail(self, lease: Lease, cause: str, reason: str) -> None:
        """End a task without a result, and its job with it; the job's other leases become stale."""
        with self._writing("fail") as ledger:
            task = ledger.held(lease)
            failures = task.failures + 1
            ledger.release(
                task, TaskState.FAILED, "failed", cause=cause, reason=reason, failures=failures
            )
            ledger.drop_tasks(task.job)
            ledger.move_job(
                task.job, JobState.FAILED,
                cancel_requested=False, pause_requested=False, reason=reason,
            )  # fmt: skip
            ledger.log(task.job, Failed(cause=cause, reason=reason))

    def stopped(self, lease: Lease) -> None:
        """Confirm that the worker stopped because a heartbeat told it of a cancel or a pause."""
        with self._writing("stopped") as ledger:
            task = ledger.held(lease)
            job = ledger.job(task.job)
            if job.cancel_requested:
                ledger.release(task, TaskState.CANCELLED, "cancelled", reason=job.reason)
            else:
                ledger.release(task, TaskState.READY, "paused")
            ledger.settle(job.id)
            if not (job.cancel_requested or job.pause_requested):
                _note_lifted_pause(ledger, job.id)


def _note_lifted_pause(ledger: Ledger, job_id: str) -> None:
    if ledger.job(job_id).state is JobState.QUEUED:
        ledger.log(job_id, Queued(reason="the pause was lifted while its worker stopped"))
