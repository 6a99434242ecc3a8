"""Leases whose holders are gone: kill, confirm, and only then give the task back.

A lease is up for burial when its dispatcher is known to be dead, when this dispatcher holds it but does
not follow it any more, or when it has run out. Its attempt is ended wherever it may run still:

- confirmed gone: the task is given back at once;
- not confirmed, as when its machine cannot be reached: the lease is left until it has run out and a
  grace has passed. By then the ranks have ended themselves, as nobody told them that the lease goes on.
  Should one be left all the same, the fence refuses what it writes.

Leases of another dispatcher that lives are left alone while they are renewed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from farm.dispatch.bookkeeper import Bookkeeper
from farm.dispatch.desk import Desk, settle
from farm.dispatch.past import began, history_of
from farm.dispatch.retry import RetryDecision, decide
from farm.errors import FarmError, StaleLease
from farm.spec.record import Lease

log = logging.getLogger(__name__)
RESTART = "the dispatcher was started again"
SILENT = "its worker was lost: no heartbeat came in time"


class Undertaker:
    """Buries attempts for one dispatcher.

    Args:
        family: prefix of the workers' names of all dispatchers of this farm.
        own: that of this one's.
    """

    def __init__(self, desk: Desk, family: str, own: str) -> None:
        self._desk, self._family, self._own = desk, family, own

    def sweep(self, followed: Collection[int]) -> int:
        """Bury what there is, but for attempts with those tokens; returns how many tasks came back."""
        queue = self._desk.queue
        leases = {lease.token: lease for lease in (*queue.held(self._family), *queue.expired())}
        back = 0
        for lease in leases.values():
            if lease.token in followed or not self._is_up(lease):
                continue
            try:
                back += self._bury(lease)
            except StaleLease:
                continue  # somebody else was faster
            except FarmError:
                log.exception("a lost task could not be taken back", extra={"task": lease.task})
        return back

    def _is_up(self, lease: Lease) -> bool:
        if lease.worker.startswith(self._own) or lease.expires_at <= self._desk.clock.now():
            return True
        return lease.worker.startswith(self._family) and self._desk.runner.gone(lease.worker)

    def _bury(self, lease: Lease) -> bool:
        desk = self._desk
        if not desk.runner.bury(lease.task, lease.attempt):
            grace = desk.settings.lease_grace_seconds
            if desk.clock.now() < lease.expires_at + grace:
                return False
            log.warning("gone or not, its lease has run out", extra={"task": lease.task})
        log.warning("taking back what %s held", lease.worker, extra={"task": lease.task})
        settle(desk, lease, self._choice(lease), f"{lease.worker}: {SILENT}")
        Bookkeeper(lease, desk).bill()
        return True

    def _choice(self, lease: Lease) -> RetryDecision:
        """A dispatcher that ends takes its attempts along, which is not laid to their tasks."""
        desk = self._desk
        expired = lease.expires_at <= desk.clock.now()
        own = lease.worker.startswith(self._own)
        if not own and not expired and began(desk.queue, lease):
            return RetryDecision("again", "restart", RESTART, counts=False)
        history = history_of(desk.queue, lease, desk.settings.max_attempts)
        return decide("lost", SILENT, history)
