"""What a worker does with a task. Every write here is fenced by its lease."""

from __future__ import annotations

from farm.queue import settling
from farm.queue.ledger import Ledger
from farm.queue.records import Outcome
from farm.queue.transactions import Transactions
from farm.spec.cost import Pace
from farm.spec.event import (
    Adjusted,
    Artefact,
    Checkpointed,
    Done,
    Event,
    Progress,
    Quarantined,
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
            for event in events:
                if isinstance(event, Started) and event.node:
                    ledger.settle_on(task, event.node)
                if isinstance(event, Routed):
                    ledger.books.begin(ledger.job(task.job), task, event.decision)
            return [ledger.log(task.job, event) for event in events]

    def checkpoint(self, lease: Lease, event: Checkpointed, pace: Pace | None = None) -> Event:
        """Remember the state from which the next attempt goes on, and charge what it took so far."""
        with self._writing("checkpoint") as ledger:
            task = ledger.held(lease)
            ledger.note_checkpoint(task, event.blob)
            ledger.books.count(task, pace)
            return ledger.log(task.job, event)

    def complete(self, lease: Lease, done: Done, pace: Pace | None = None) -> Done:
        """End a task with its result; the job's last task ends the job with ``done``.

        Returns the result with the job's cost, all its attempts included.
        """
        with self._writing("complete") as ledger:
            return settling.complete(ledger, ledger.held(lease), done, pace)

    def retry(
        self,
        lease: Lease,
        cause: str,
        reason: str,
        *,
        delay: float = 0.0,
        counts: bool = True,
        lost: bool = False,
    ) -> None:
        """Give a task back for another attempt after ``delay`` seconds.

        ``counts`` says whether this attempt goes against the limit of failures, ``lost`` whether its
        worker was lost; the third loss quarantines the task.
        """
        with self._writing("retry") as ledger:
            task = ledger.held(lease)
            event = Retrying(
                task=task.id, attempt=task.attempt, cause=cause, reason=reason, delay=delay
            )
            outcome: Outcome = "lost" if lost else "retry"
            settling.give_back(ledger, task, event, outcome, counts=counts, lost=lost)

    def fail(self, lease: Lease, cause: str, reason: str) -> None:
        """End a task for good, and with it the job and its other tasks."""
        with self._writing("fail") as ledger:
            task = ledger.held(lease)
            failures = task.failures + 1
            ledger.release(
                task, TaskState.FAILED, "failed", cause=cause, reason=reason, failures=failures
            )
            settling.fail(ledger, task.job, cause, reason)

    def quarantine(
        self, lease: Lease, cause: str, reason: str, evidence: tuple[Artefact, ...] = ()
    ) -> None:
        """Set a task aside that would only fail again, with its evidence; its job fails."""
        with self._writing("quarantine") as ledger:
            task = ledger.held(lease)
            verdict = Quarantined(
                task=task.id, attempt=task.attempt, cause=cause, reason=reason, evidence=tuple(evidence)
            )
            settling.quarantine(ledger, task, verdict, losses=task.losses)

    def park(self, lease: Lease, reason: str, wanted_usd: float) -> None:
        """Put a job aside that its project cannot bear any more; its worker has stopped.

        Other workers of the job hear of a pause. ``wanted_usd`` is what it must be able to reserve
        before it is taken up again.
        """
        with self._writing("park") as ledger:
            task = ledger.held(lease)
            job = ledger.job(task.job)
            if job.cancel_requested:
                ledger.release(task, TaskState.CANCELLED, "cancelled", reason=job.reason)
            else:
                ledger.release(task, TaskState.READY, "paused", cause="budget", reason=reason)
                if not job.pause_requested:
                    ledger.books.park(job, reason, wanted_usd)
                    ledger.change_job(job.id, pause_requested=True, reason=reason)
            settling.settle(ledger, job.id)

    def stopped(self, lease: Lease) -> None:
        """Confirm that the worker stopped because a heartbeat told it of a cancel or a pause."""
        with self._writing("stopped") as ledger:
            task = ledger.held(lease)
            job = ledger.job(task.job)
            if job.cancel_requested:
                ledger.release(task, TaskState.CANCELLED, "cancelled", reason=job.reason)
            else:
                ledger.release(task, TaskState.READY, "paused")
            settling.settle(ledger, job.id)
            if not (job.cancel_requested or job.pause_requested):
                _note_lifted_pause(ledger, job.id)


def _note_lifted_pause(ledger: Ledger, job_id: str) -> None:
    if ledger.job(job_id).state is JobState.QUEUED:
        ledger.log(job_id, Queued(reason="the pause was lifted while its worker stopped"))
