"""One claimed task from its lease to its record."""

from __future__ import annotations

from farm.clock import Clock
from farm.dispatch.ports import Blobs, Queue, Run, Stop
from farm.dispatch.retry import decide
from farm.engine.manifest import blobs_of
from farm.errors import StaleLease
from farm.observe.metrics import Meter
from farm.spec.event import Checkpointed, Done, Event, Progress, Rendition
from farm.spec.record import Lease
from farm.spec.routing import Decision


class Attempt:
    """Consumes a run's events and records them under the lease.

    ``follow`` blocks until the run ends; ``beat`` may be called from another thread meanwhile.
    """

    def __init__(  # noqa: PLR0913  # everything it works with, given once
        self, lease: Lease, decision: Decision, run: Run, queue: Queue, store: Blobs, clock: Clock,
        meter: Meter, *, ttl: float, max_attempts: int,
    ) -> None:  # fmt: skip
        self.lease = lease
        self._decision, self._run, self._queue, self._store = decision, run, queue, store
        self._clock, self._meter = clock, meter
        self._ttl, self._max_attempts = ttl, max_attempts
        self._began = clock.now()
        self._stopping: Stop | None = None
        self._stale = False

    def beat(self) -> None:
        """Renew the lease and pass on what people asked for. A lost lease ends the run."""
        try:
            beat = self._queue.heartbeat(self.lease, self._ttl)
        except StaleLease:
            self._stale = True
            self._run.kill()
            return
        wish: Stop | None = None
        if beat.cancel_requested:
            wish = "cancel"
        elif beat.pause_requested:
            wish = "pause"
        if wish and wish != self._stopping:
            self._stopping = wish
            self._run.stop(wish)

    def follow(self) -> str:
        """Record until the end; returns how it ended: done, stopped, retried, failed or stale."""
        try:
            for event in self._run.events():
                if self._record(event):
                    return "done"
            self._queue.stopped(self.lease)
        except StaleLease:
            return "stale"
        except Exception as error:  # noqa: BLE001 — whatever ended the attempt is what is decided on
            return self._ended(error)
        finally:
            self._run.kill()
        return "stopped"

    def _record(self, event: Event) -> bool:
        """Write one event; True when it was the last."""
        if isinstance(event, Checkpointed):
            superseded = self.lease.checkpoint
            self._queue.checkpoint(self.lease, event)
            self.lease = self.lease.model_copy(update={"checkpoint": event.blob})
            if superseded and superseded != event.blob:
                self._forget(superseded)
            return False
        if isinstance(event, Done):
            self._complete(event)
            return True
        self._queue.record(self.lease, event)
        if isinstance(event, Rendition):
            self._meter.count("farm_renditions_total", fidelity=event.fidelity)
        if isinstance(event, Progress):
            self._meter.set("farm_dispatcher_up", 1)
        return False

    def _forget(self, checkpoint: str) -> None:
        """Delete a checkpoint that nobody will go on from, down to its manifest."""
        for blob in blobs_of(self._store.get, checkpoint):
            self._store.delete(blob)

    def _complete(self, done: Done) -> None:
        seconds = self._clock.now() - self._began
        pool = self._decision.chosen
        price = pool.p50_usd / pool.p50_seconds if pool.p50_seconds else 0.0
        usd = round(seconds * price, 6)
        final = done.model_copy(update={"usd": usd, "seconds": round(seconds, 3), "pool": pool.pool})
        self._queue.complete(self.lease, final)
        if self.lease.checkpoint:
            self._forget(self.lease.checkpoint)
        kind = self.lease.spec.kind
        self._meter.count("farm_jobs_finished_total", kind=kind, state="done")
        self._meter.observe("farm_job_seconds", seconds, kind=kind)
        self._meter.count("farm_cost_usd_total", usd, pool=pool.pool)

    def _ended(self, error: Exception) -> str:
        """The run ended early: retry or fail, unless the lease is gone or a stop was under way."""
        if self._stale:
            return "stale"
        choice = decide(error, self.lease.failures, self._max_attempts)
        try:
            if self._stopping:
                self._queue.stopped(self.lease)
                return "stopped"
            if choice.again:
                self._queue.retry(
                    self.lease, choice.cause, choice.reason, delay=choice.delay, counts=choice.counts
                )
                self._meter.count("farm_tasks_retried_total", cause=choice.cause)
                return "retried"
            self._queue.fail(self.lease, choice.cause, choice.reason)
        except StaleLease:
            return "stale"
        self._meter.count("farm_jobs_finished_total", kind=self.lease.spec.kind, state="failed")
        return "failed"
