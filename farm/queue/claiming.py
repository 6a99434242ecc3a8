"""Taking a task: whose turn it is, and the lease on it."""

from __future__ import annotations

from collections.abc import Collection

from farm.queue.facts import Head, JobRow, TaskRow
from farm.queue.ledger import Ledger, QuotaReached, stale
from farm.queue.records import Heartbeat
from farm.queue.sharing import by_turn
from farm.queue.transactions import Transactions
from farm.spec.record import Lease
from farm.spec.state import JobState, TaskState

DELAYS_AT_ONCE = 50
"""Tasks whose end of delay is noted before a claim, at most."""


class Claiming(Transactions):
    """How workers get tasks and keep them."""

    def claim(self, worker: str, ttl: float, *, avoid: Collection[str] = ()) -> Lease | None:
        """Take a task for ``ttl`` seconds, or None where there is nothing to do.

        Among the projects with something to claim and fewer running than their limit, the one with the
        least ``running / weight`` goes first; ties go by the priority of its first job, then its age.
        Within a project: by priority, then age, then id. Jobs and tasks whose id is in ``avoid`` are
        passed over.
        """
        full: set[str] = set()
        while True:
            try:
                with self._writing("claim") as ledger:
                    heads, delays = ledger.rows.heads(ledger.now)
                    if delays and _end_delays(ledger):
                        continue
                    turns = [head for head in by_turn(heads) if head.project not in full]
                    return _claim(ledger, turns, worker, ttl, frozenset(avoid))
            except QuotaReached as reached:
                full.add(reached.project)

    def heartbeat(self, lease: Lease, ttl: float) -> Heartbeat:
        """Keep a task for ``ttl`` seconds from now, and hear what was asked of its job."""
        with self._writing("heartbeat") as ledger:
            expiry = ledger.now + ttl
            # The job is only looked at: heartbeats are many, and must not wait for its other writers.
            job = ledger.rows.look(lease.job)
            ledger.rows.count_run(lease.token, ledger.now, ttl)
            if job is None or not ledger.rows.renew(lease.task, lease.token, expiry):
                raise stale(lease)
            return Heartbeat(
                lease=lease.model_copy(update={"expires_at": expiry}),
                cancel_requested=job.cancel_requested,
                pause_requested=job.pause_requested,
            )


def _end_delays(ledger: Ledger) -> int:
    """Make ready what was delayed until now, as far as others do not hold it; how many tasks."""
    ended = 0
    for job_id in sorted(set(ledger.rows.due(ledger.now, DELAYS_AT_ONCE))):
        job = ledger.rows.free_job(job_id)
        if job is not None:
            number = ledger.rows.undelay(job_id, ledger.now)
            ledger.take(job)
            ledger.change_job(job_id, delayed=job.delayed - number, updated_at=job.updated_at)
            ended += number
    return ended


def _claim(
    ledger: Ledger, heads: list[Head], worker: str, ttl: float, avoid: frozenset[str]
) -> Lease | None:
    # First what nobody else is about to take; then in earnest, waiting for those who are.
    for patient in (False, True):
        for head in heads:
            found = _first(ledger, head.project, avoid, patient=patient)
            if found is not None:
                return _lease(ledger, *found, worker, ttl)
    return None


def _first(
    ledger: Ledger, project: str, avoid: frozenset[str], *, patient: bool
) -> tuple[JobRow, TaskRow, int] | None:
    """The first task of a project, its job, and the token for it."""
    passed = set(avoid)
    while (job := ledger.rows.next_job(project, passed, patient=patient)) is not None:
        found = ledger.rows.next_task(job.id, avoid)
        if found is not None:
            return ledger.take(job), *found
        passed.add(job.id)
    return None


def _lease(ledger: Ledger, job: JobRow, task: TaskRow, token: int, worker: str, ttl: float) -> Lease:
    leased = ledger.move_task(
        task, TaskState.LEASED,
        attempt=task.attempt + 1, token=token, worker=worker,
        lease_expires_at=ledger.now + ttl,
    )  # fmt: skip
    ledger.rows.add_attempt(job.id, leased.begun(ledger.now))
    if job.state is not JobState.RUNNING:
        ledger.move_job(job.id, JobState.RUNNING)
    return leased.lease(job.spec)
