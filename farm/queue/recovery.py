"""Taking back what silent or dead workers hold."""

from __future__ import annotations

from farm.queue.ledger import Ledger
from farm.queue.rows import TaskRow
from farm.queue.transactions import Transactions
from farm.spec.event import Retrying
from farm.spec.record import TaskRecord


class Recovery(Transactions):
    """Ends leases that nobody renews. Such an attempt never counts against the limit of failures."""

    def reap(self) -> list[TaskRecord]:
        """Take back every task whose lease has expired; returns them as they are then."""
        with self._writing("reap") as ledger:
            lost = [task for task in ledger.rows.leased() if _expired(task, ledger.now)]
            return [_take_back(ledger, task, "lost", "no heartbeat in time") for task in lost]

    def release_worker(self, worker_prefix: str) -> int:
        """Take back every task of workers with that prefix, at a dispatcher's start; how many."""
        with self._writing("release_worker") as ledger:
            held = [task for task in ledger.rows.leased() if str(task.worker).startswith(worker_prefix)]
            for task in held:
                _take_back(ledger, task, "restart", "the dispatcher was started again")
            return len(held)


def _expired(task: TaskRow, now: float) -> bool:
    return task.lease_expires_at is not None and task.lease_expires_at <= now


def _take_back(ledger: Ledger, task: TaskRow, cause: str, reason: str) -> TaskRecord:
    event = Retrying(task=task.id, attempt=task.attempt, cause=cause, reason=reason)
    ledger.give_back(task, event, "lost", counts=False)
    row = ledger.rows.task(task.id)
    assert row is not None
    return row.record()
