"""The loop around the queue: reap, claim, route, start, follow."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from farm.clock import Clock
from farm.dispatch.attempt import Attempt
from farm.dispatch.ports import Blobs, Queue, Runner
from farm.dispatch.quotes import Quoter
from farm.dispatch.retry import decide
from farm.errors import FarmError, Refused, StaleLease
from farm.imaging.decode import inspect
from farm.imaging.limits import Limits
from farm.observe.metrics import Meter
from farm.settings import Settings
from farm.spec import Decision, Job
from farm.spec.event import Routed
from farm.spec.record import Lease

log = logging.getLogger(__name__)


class Dispatcher:
    """Moves tasks from the queue to the runner. All of its state can be lost at any time.

    Args:
        worker: this dispatcher's name; leases of earlier ones with the same name are taken back.
        capacity: attempts at once.
        spawn: runs an attempt, in a thread unless a test wants it done at once.
    """

    def __init__(  # noqa: PLR0913  # everything it works with, given once
        self, queue: Queue, store: Blobs, quoter: Quoter, runner: Runner, clock: Clock, meter: Meter,
        settings: Settings, *, load: Callable[[str], bytes | Path], worker: str = "dispatcher",
        capacity: int = 1, spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:  # fmt: skip
        self._queue, self._store, self._quoter, self._runner = queue, store, quoter, runner
        self._clock, self._meter, self._settings = clock, meter, settings
        self._load, self._worker, self._capacity = load, worker, capacity
        self._spawn = spawn or _in_thread
        self._limits = Limits(max_megapixels=settings.max_megapixels)
        self._lock = threading.Lock()
        self._attempts: dict[int, Attempt] = {}
        self._passes = 0

    def recover(self) -> int:
        """Take back what an earlier dispatcher of this name held; returns how many tasks."""
        return self._queue.release_worker(f"{self._worker}/")

    @property
    def busy(self) -> int:
        """Attempts under way."""
        with self._lock:
            return len(self._attempts)

    def beat(self) -> None:
        """Renew all leases. To be called at least three times per lease time."""
        with self._lock:
            attempts = list(self._attempts.values())
        for attempt in attempts:
            try:
                attempt.beat()
            except FarmError:
                log.exception("a lease could not be renewed", extra={"task": attempt.lease.task})

    def tick(self) -> bool:
        """One pass; True if something was claimed, so that another pass is worth it at once."""
        for task in self._queue.reap():
            log.warning("lease expired", extra={"task": task.id})
        if self.busy >= self._capacity:
            return False
        self._passes += 1
        lease = self._queue.claim(f"{self._worker}/{self._passes}", self._settings.lease_seconds)
        if lease is None:
            return False
        try:
            self._start(lease)
        except StaleLease:
            log.warning("lost a task while starting it", extra={"task": lease.task})
        return True

    def _start(self, lease: Lease) -> None:
        try:
            decision = self._decide(lease.spec)
            self._queue.record(lease, Routed(task=lease.task, decision=decision))
            run = self._runner.start(lease, decision)
        except StaleLease:
            raise
        except Exception as error:  # noqa: BLE001 — a task must never be left behind without a word
            self._give_back(lease, error)
            return
        attempt = Attempt(
            lease, decision, run, self._queue, self._store, self._clock, self._meter,
            ttl=self._settings.lease_seconds, max_attempts=self._settings.max_attempts,
        )  # fmt: skip
        # Finding a place may have taken longer than the lease; the next pass must not reap it.
        with contextlib.suppress(FarmError):
            attempt.beat()
        with self._lock:
            self._attempts[lease.token] = attempt
        self._spawn(lambda: self._follow(lease, attempt))

    def _decide(self, job: Job) -> Decision:
        """The pool for a job. One that was accepted and has become late runs all the same."""
        info = inspect(self._load(job.content), self._limits, field="content")
        size = (info.width, info.height)
        try:
            return self._quoter.quote(job, size).decision
        except Refused:
            if job.routing.deadline is None:
                raise
        routing = job.routing.model_copy(update={"deadline": None})
        decision = self._quoter.quote(job.model_copy(update={"routing": routing}), size).decision
        reason = f"the deadline cannot be met any more; {decision.reason}"
        return decision.model_copy(update={"reason": reason})

    def _follow(self, lease: Lease, attempt: Attempt) -> None:
        try:
            outcome = attempt.follow()
            log.info("attempt ended: %s", outcome, extra={"task": lease.task, "attempt": lease.attempt})
        except FarmError:
            # The record could not be written. The lease runs out and the task is claimed again.
            log.exception("attempt not recorded", extra={"task": lease.task})
        finally:
            with self._lock:
                self._attempts.pop(lease.token, None)

    def _give_back(self, lease: Lease, error: Exception) -> None:
        choice = decide(error, lease.failures, self._settings.max_attempts)
        if choice.again:
            self._queue.retry(
                lease, choice.cause, choice.reason, delay=choice.delay, counts=choice.counts
            )
        else:
            self._queue.fail(lease, choice.cause, choice.reason)


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True, name="attempt").start()
