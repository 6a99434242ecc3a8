"""One claimed task from its lease to its record: routed, started, followed, ended.

An attempt that ends early is killed, then confirmed to be gone, and only then given back: two processes
at the same task would cost twice. One that cannot be confirmed keeps its lease until that has run out
and a grace has passed; see ``farm.dispatch.burial``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from farm.dispatch.bookkeeper import Bookkeeper
from farm.dispatch.desk import Desk, eased, settle
from farm.dispatch.notice import Notice, fits
from farm.dispatch.past import history_of, rerouted, tried_pools
from farm.dispatch.ports import Run, Stop
from farm.dispatch.purse import OverCap
from farm.dispatch.quotes import ranks_of
from farm.dispatch.retry import Cause, History, NoRoom, cause_of, conditions, decide, reason_of
from farm.dispatch.room import routed
from farm.engine.manifest import blobs_of
from farm.errors import FarmError, Refused, StaleLease, Unavailable
from farm.spec.event import Checkpointed, Done, Event, Progress, Rendition, Routed, Started
from farm.spec.record import Lease
from farm.spec.routing import Decision

log = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0
_RANK: dict[Stop | None, int] = {None: 0, "move": 1, "pause": 2, "cancel": 3}
"""A wish gives way only to a stronger one."""


class Attempt:
    """One lease and what runs under it.

    ``go`` blocks until the end; all else may be called from other threads meanwhile. ``avoid`` names
    the nodes not to be placed on, at the time of asking.
    """

    def __init__(self, lease: Lease, desk: Desk, avoid: Callable[[], frozenset[str]]) -> None:
        self.lease, self.node, self.pool = lease, "", ""
        self.takes = desk.runner.takes(lease)
        self._desk, self._avoid = desk, avoid
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._wish: Stop | None = None
        self._why, self._taken = "", False
        self._stale = False
        self._books = Bookkeeper(lease, desk)
        self._decision: Decision | None = None
        self._newest: Rendition | None = None
        self._megapixels = 0.0

    @property
    def placed(self) -> bool:
        """Whether it has a place, so that it holds up nobody else's."""
        return bool(self.node)

    def beat(self) -> None:
        """Renew the lease and pass on what people asked for. A lost lease ends the run."""
        settings = self._desk.settings
        try:
            beat = self._desk.queue.heartbeat(self.lease, settings.lease_seconds)
        except StaleLease:
            self.drop()
            return
        if self._run:
            self._run.keep(settings.lease_seconds)
        self.hear(cancel=beat.cancel_requested, pause=beat.pause_requested)

    def hear(self, *, cancel: bool, pause: bool) -> None:
        """Pass on what people asked of the job."""
        if cancel or pause:
            self.stop("cancel" if cancel else "pause")

    def drop(self) -> None:
        """The task is somebody else's now: end the run, record nothing."""
        self._stale = True
        if self._run:
            self._run.kill()

    def stop(self, how: Stop, why: str = "") -> None:
        """End at the next iteration, or as soon as it has begun."""
        with self._lock:
            if _RANK[how] <= _RANK[self._wish]:
                return
            self._wish, self._why = how, why or self._why
            run = self._run
        if run:
            run.stop(how)

    def leave(self, notice: Notice) -> None:
        """Its machine goes away: move it, with a checkpoint where one still fits before that."""
        if self._wish:
            return  # a checkpoint that was begun in time must not be cut off by a later look
        self._taken = True
        if self._run is None or fits(notice, self._desk.clock, self._keeping()):
            self.stop("move", notice.reason)
            return
        self._wish, self._why = "move", notice.reason
        self._run.kill()

    def go(self) -> str:
        """Run it to its end and say how it ended, in one word."""
        ending = self._go()
        with contextlib.suppress(FarmError):
            self._books.bill()
        return ending

    def _go(self) -> str:
        try:
            run = self._start()
        except StaleLease:
            return "stale"
        except OverCap as over:
            return self._parked(over)
        except Exception as error:  # noqa: BLE001 — a task must never be left behind without a word
            return self._ended(error)
        with self._lock:
            self._run, wish = run, self._wish
        # Finding a place may have taken longer than the lease; the next pass must not take it back.
        with contextlib.suppress(FarmError):
            self.beat()
        if wish:
            run.stop(wish)
        return self._follow(run)

    def _start(self) -> Run:
        desk, history = self._desk, self._history
        avoid = self._avoid()
        chosen = conditions(history, avoid)
        tried = tried_pools(desk.queue, self.lease) if chosen.elsewhere else frozenset()

        def route(lease: Lease) -> Decision:
            return rerouted(desk.route(lease), lambda pool: pool not in tried, "memory ran out before")

        try:
            decision = routed(self.lease, route, lambda pool: desk.runner.together(pool, avoid))
        except Refused as error:
            # There was a way when it was accepted; machines come back, and prices fall.
            raise NoRoom(f"{error.message.rstrip('.')}; the task waits.") from None
        self._decision = decision
        self.pool = decision.chosen.pool
        if ranks_of(self.lease.spec) is None:
            self.takes = decision.chosen.devices
        self._books.begin(decision)
        desk.queue.record(self.lease, Routed(task=self.lease.task, decision=decision))
        return desk.runner.start(eased(self.lease, chosen), decision, chosen)

    def _follow(self, run: Run) -> str:
        try:
            for event in run.events():
                if self._record(event):
                    run.release()
                    return "done"
            return self._stopped(run)
        except StaleLease:
            return "stale"
        except Exception as error:  # noqa: BLE001 — whatever ended the attempt is what is decided on
            return self._ended(error)
        finally:
            run.kill()

    def _record(self, event: Event) -> bool:
        """Write one event; True when it was the last."""
        queue, lease = self._desk.queue, self.lease
        self._books.note(event)
        if isinstance(event, Checkpointed):
            pace = self._books.pace()
            self._written(lambda: queue.checkpoint(lease, event, pace))
            self.lease = lease.model_copy(update={"checkpoint": event.blob})
            if lease.checkpoint and lease.checkpoint != event.blob:
                self._forget(lease.checkpoint)
            self._look_at_cap()
            return False
        if isinstance(event, Done):
            self._complete(event)
            return True
        self._written(lambda: queue.record(lease, event))
        self._note(event)
        return False

    def _written(self, write: Callable[[], object]) -> None:
        """Write to the queue. While it is away the run goes on, for as long as the lease may hold."""
        clock = self._desk.clock
        until = clock.now() + self._desk.settings.lease_seconds
        while True:
            try:
                write()
            except Unavailable:
                if clock.now() >= until or self._stale:
                    raise
                log.warning("the queue is away", extra={"task": self.lease.task})
                clock.sleep(AGAIN_SECONDS)
            else:
                return

    def _note(self, event: Event) -> None:
        if isinstance(event, Started):
            self.node = event.node or "here"
        elif isinstance(event, Rendition):
            self._newest = event
            self._desk.meter.count("farm_renditions_total", fidelity=event.fidelity)
        elif isinstance(event, Progress):
            self._megapixels = event.width * event.height / 1e6

    def _forget(self, checkpoint: str) -> None:
        """Delete a checkpoint that nobody will go on from, down to its manifest."""
        for blob in blobs_of(self._desk.store.get, checkpoint):
            self._desk.store.delete(blob)

    def _look_at_cap(self) -> None:
        """End with the next checkpoint where the project has spent what it may."""
        with contextlib.suppress(Unavailable):
            if not self._books.checkpointed():
                self.stop("pause")

    def _complete(self, done: Done) -> None:
        assert self._decision is not None
        seconds, meter = self._books.seconds, self._desk.meter
        pool, pace = self._decision.chosen.pool, self._books.pace(done=True)
        final = done.model_copy(update={"seconds": round(seconds, 3), "pool": pool})
        self._written(lambda: self._desk.queue.complete(self.lease, final, pace))
        if self.lease.checkpoint:
            self._forget(self.lease.checkpoint)
        kind = self.lease.spec.kind
        meter.count("farm_jobs_finished_total", kind=kind, state="done")
        meter.observe("farm_job_seconds", seconds, kind=kind)

    def _stopped(self, run: Run) -> str:
        """The run ended as it was asked to; its processes have nothing left to do."""
        run.kill()
        if self._wish == "move":
            self._desk.queue.retry(self.lease, self._move, self._why, counts=False)
            self._desk.meter.count("farm_tasks_retried_total", cause=self._move)
            return "moved"
        return self._held_back()

    def _held_back(self) -> str:
        """Stopped, as people or the project's cap asked."""
        if self._books.over is not None:
            return self._parked(self._books.over)
        self._desk.queue.stopped(self.lease)
        return "stopped"

    def _parked(self, over: OverCap) -> str:
        try:
            self._books.park(over)
        except StaleLease:
            return "stale"
        return "parked"

    @property
    def _move(self) -> Cause:
        """Why it moves: its machine is taken away, or the farm itself wants its place."""
        return "preempted" if self._taken else "moved"

    def _ended(self, error: Exception) -> str:
        """The run ended early: kill it, confirm that it is gone, and only then decide."""
        if self._stale:
            return "stale"
        run, tail = self._run, ""
        if run:
            tail = run.tail()
            if not run.kill():
                return "unconfirmed"
        try:
            if self._wish in ("cancel", "pause"):
                return self._held_back()
            return self._decided(error, tail)
        except StaleLease:
            return "stale"

    def _decided(self, error: Exception, tail: str) -> str:
        cause, reason = cause_of(error), reason_of(error)
        if self._wish == "move" and cause == "lost":
            cause, reason = self._move, f"{self._why}; {reason}"
        choice = decide(cause, reason, self._history)
        settle(self._desk, self.lease, choice, tail, self._newest)
        return {"again": "retried", "fail": "failed", "quarantine": "quarantined"}[choice.ending]

    @property
    def _history(self) -> History:
        return history_of(self._desk.queue, self.lease, self._desk.settings.max_attempts)

    def _keeping(self) -> float | None:
        """Seconds that a checkpoint takes now, as far as anybody knows."""
        if self._decision is None or not self._megapixels:
            return None
        each = self._desk.checkpoint_seconds(self._decision.chosen.pool)
        return None if each is None else each * self._megapixels
