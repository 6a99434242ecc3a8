"""Taking back what silent or dead workers hold."""

from __future__ import annotations

from collections.abc import Sequence

from farm.errors import StaleLease
from farm.queue.facts import TaskRow
from farm.queue.ledger import Ledger
from farm.queue.settling import give_back
from farm.queue.transactions import Transactions
from farm.spec.event import Retrying
from farm.spec.record import Lease, TaskRecord

EXCUSED = frozenset({"preempted", "moved", "restart"})
"""Causes for which a lost worker is not laid to its task."""


class Recovery(Transactions):
    """Ends leases that nobody renews. Such an attempt never counts against the limit of failures.

    But a task that loses its worker three times is quarantined: it may be what kills them. Each lease
    is taken back in a transaction of its own, so that no two who do it at once wait for each other.
    """

    def expired(self) -> list[Lease]:
        """Leases that have run out and are held still, the oldest first."""
        with self._reading() as ledger:
            return [task.lease(spec) for task, spec in ledger.rows.leases(ledger.now, "")]

    def held(self, worker_prefix: str = "") -> list[Lease]:
        """Leases of workers with that prefix, by expiry."""
        with self._reading() as ledger:
            return [task.lease(spec) for task, spec in ledger.rows.leases(None, worker_prefix)]

    def reap(self, leases: Sequence[Lease] | None = None) -> list[TaskRecord]:
        """Take back tasks whose lease has expired; returns them as they are then.

        Of ``leases`` those are, all expired ones by default, that are expired still and of that token.
        """
        taken = []
        for lease in self.expired() if leases is None else leases:
            try:
                with self._writing("reap") as ledger:
                    task = ledger.held(lease)
                    if task.lease_expires_at is not None and task.lease_expires_at <= ledger.now:
                        taken.append(_take_back(ledger, task, "lost", "no heartbeat in time"))
            except StaleLease:
                continue
        return [task.record() for task in taken]

    def release(self, lease: Lease, cause: str, reason: str) -> TaskRecord:
        """Take back a task before its lease expires: its worker is known to be dead.

        Raises:
            StaleLease: the task was given back, ended, or is another worker's.
        """
        with self._writing("release") as ledger:
            return _take_back(ledger, ledger.held(lease), cause, reason).record()

    def release_worker(self, worker_prefix: str) -> int:
        """Take back every task of workers with that prefix, at a dispatcher's start; how many."""
        taken = 0
        for lease in self.held(worker_prefix):
            try:
                with self._writing("release_worker") as ledger:
                    task = ledger.held(lease)
                    _take_back(ledger, task, "restart", "the dispatcher was started again")
                    taken += 1
            except StaleLease:
                continue
        return taken


def _take_back(ledger: Ledger, task: TaskRow, cause: str, reason: str) -> TaskRow:
    event = Retrying(task=task.id, attempt=task.attempt, cause=cause, reason=reason)
    return give_back(ledger, task, event, "lost", counts=False, lost=cause not in EXCUSED)
