"""The loop around the queue: bury, claim, hand out, renew."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from farm.clock import Clock
from farm.dispatch.attempt import Attempt
from farm.dispatch.burial import Undertaker
from farm.dispatch.desk import Desk
from farm.dispatch.notice import Notice
from farm.dispatch.ports import Blobs, Queue, Runner
from farm.dispatch.quotes import Quoter
from farm.dispatch.tally import Stretch
from farm.errors import FarmError, Refused, Unavailable
from farm.imaging.decode import inspect
from farm.imaging.limits import Limits
from farm.observe.metrics import Meter
from farm.route import caps
from farm.settings import Settings
from farm.spec import Decision, Option
from farm.spec.cost import Pace
from farm.spec.record import Lease

log = logging.getLogger(__name__)
MOST_WAITING = 4
"""Attempts that may wait for their place at once, whatever the capacity."""

KEPT_SIZES = 256
"""Pictures whose size is remembered."""


class Dispatcher:
    """Moves tasks from the queue to the runner. All of its state can be lost at any time.

    Args:
        worker: what dispatchers of this farm are called; they look after each other's leases.
        instance: this one's own name, which tells its leases from those of all others.
        spawn: runs an attempt, in a thread unless a test wants it done at once.
    """

    def __init__(  # noqa: PLR0913  # everything it works with, given once
        self, queue: Queue, store: Blobs, quoter: Quoter, runner: Runner, clock: Clock, meter: Meter,
        settings: Settings, *, load: Callable[[str], bytes | Path], worker: str = "dispatcher",
        instance: str | None = None, spawn: Callable[[Callable[[], None]], None] | None = None,
        checkpoint_seconds: Callable[[str], float | None] = lambda pool: None,
    ) -> None:  # fmt: skip
        self._desk = Desk(
            queue, store, runner, clock, meter, settings, self._decide, checkpoint_seconds, self._pace
        )
        self._queue, self._runner, self._quoter, self._load = queue, runner, quoter, load
        self._name = f"{worker}/{instance or uuid4().hex[:8]}"
        self._undertaker = Undertaker(self._desk, f"{worker}/", f"{self._name}/")
        self._spawn = spawn or _in_thread
        self._limits = Limits(max_megapixels=settings.max_megapixels)
        self._lock = threading.Lock()
        self._attempts: dict[int, Attempt] = {}
        self._size = lru_cache(KEPT_SIZES)(self._look)
        self._leaving: Mapping[str, Notice] = {}
        self._passes, self._swept = 0, float("-inf")
        self._draining = False
        self.note = ""
        """Why nothing is claimed, in a sentence; empty while all is well."""

    def recover(self) -> int:
        """Bury what is left of dispatchers that are gone; returns how many tasks came back."""
        with self._lock:
            followed = set(self._attempts)
        self._swept = self._desk.clock.now()
        for job in self._queue.unpark(caps.accept):
            log.info("taken up again: its project can bear it", extra={"job": job})
        return self._undertaker.sweep(followed)

    @property
    def busy(self) -> int:
        """Attempts under way."""
        return len(self.attempts)

    @property
    def attempts(self) -> list[Attempt]:
        """Attempts under way, those that wait for their place included."""
        with self._lock:
            return list(self._attempts.values())

    def beat(self) -> None:
        """Renew all leases. To be called at least three times per lease time."""
        for attempt in self.attempts:
            try:
                attempt.beat()
            except FarmError:
                log.exception("a lease could not be renewed", extra={"task": attempt.lease.task})

    def listen(self) -> None:
        """Hear what people ask of the jobs under way, without waiting for the next beat."""
        for attempt in self.attempts:
            job = self._queue.job(attempt.lease.job)
            attempt.hear(cancel=job.cancel_requested, pause=job.pause_requested)

    def tick(self) -> bool:
        """One pass; True if something was claimed, so that another pass is worth it at once."""
        if self._desk.clock.now() - self._swept >= self._desk.settings.lease_seconds / 4:
            self.recover()
        if self._draining:
            return False
        if not self._has_room(self._avoided()):
            return False
        self._passes += 1
        lease = self._queue.claim(f"{self._name}/{self._passes}", self._desk.settings.lease_seconds)
        if lease is None:
            return False
        attempt = Attempt(lease, self._desk, self._avoided)
        with self._lock:
            self._attempts[lease.token] = attempt
        self._spawn(lambda: self._follow(attempt))
        return True

    def vacate(self, leaving: Mapping[str, Notice]) -> None:
        """Move what runs on nodes that go away, and place nothing there any more."""
        self._leaving = dict(leaving)
        for attempt in self.attempts:
            if attempt.node in leaving:
                attempt.leave(leaving[attempt.node])

    def drain(self, reason: str) -> None:
        """Claim nothing more and move all that runs; ``busy`` tells when that is done."""
        self._draining = True
        for attempt in self.attempts:
            attempt.stop("move", reason)

    def _avoided(self) -> frozenset[str]:
        out = {node.name for node in self._queue.nodes() if node.out}
        return frozenset(out | set(self._leaving))

    def _has_room(self, avoid: frozenset[str]) -> bool:
        attempts = self.attempts
        if sum(not attempt.placed for attempt in attempts) >= MOST_WAITING:
            return False
        capacity = self._runner.capacity(avoid)
        room, note = sum(attempt.takes for attempt in attempts) < capacity, ""
        if not capacity and self._runner.capacity(()):
            note = (
                "every node is out or goes away, so nothing is claimed; 'farm nodes' says why, "
                "'farm readmit NODE' takes one back."
            )
        elif room and self._queue.ready_count():
            note = self._store_fault()
        if note and note != self.note:
            log.warning(note)
        self.note = note
        return room and not note

    def _store_fault(self) -> str:
        """Why no attempt could read or write pictures now. Begun all the same, each would count."""
        try:
            self._desk.store.check()
        except Unavailable as error:
            return f"nothing is claimed: {error.message}"
        return ""

    def _decide(self, lease: Lease) -> Decision:
        """The pool for a job. One that was accepted and has become late runs all the same."""
        job, size = lease.spec, self._size(lease.spec.content)
        try:
            return self._quoter.quote(job, size).decision
        except Refused:
            if job.routing.deadline is None:
                raise
        routing = job.routing.model_copy(update={"deadline": None})
        decision = self._quoter.quote(job.model_copy(update={"routing": routing}), size).decision
        reason = f"the deadline cannot be met any more; {decision.reason}"
        return decision.model_copy(update={"reason": reason})

    def _pace(self, lease: Lease, option: Option, stretch: Stretch) -> Pace | None:
        """What a stretch of an attempt's work says of the way it was done."""
        return self._quoter.pace(lease.spec, self._size(lease.spec.content), option, stretch)

    def _look(self, content: str) -> tuple[int, int]:
        """Width and height of a job's content."""
        info = inspect(self._load(content), self._limits, field="content")
        return info.width, info.height

    def _follow(self, attempt: Attempt) -> None:
        lease = attempt.lease
        try:
            outcome = attempt.go()
            log.info("attempt ended: %s", outcome, extra={"task": lease.task, "attempt": lease.attempt})
        except FarmError:
            # The record could not be written. The next sweep finds the lease followed by nobody.
            log.exception("attempt not recorded", extra={"task": lease.task})
        finally:
            with self._lock:
                self._attempts.pop(lease.token, None)


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True, name="attempt").start()
