"""The dispatcher as a named detached actor that Ray starts again whenever it dies.

Its state is in the database; the actor only turns the loop. It owns the ranks and the watchers that it
starts: when it dies they die, and its successor takes their tasks back.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from farm.clock import SystemClock
from farm.dispatch.dispatcher import Dispatcher
from farm.dispatch.learner import Learner
from farm.dispatch.quotes import Quoter
from farm.errors import FarmError, Unavailable
from farm.queue import open_queue
from farm.settings import Settings
from farm.store import BlobStore
from farm.tiers.graves import NAMESPACE as NAMESPACE
from farm.tiers.graves import instance_name
from farm.tiers.growth import Growth
from farm.tiers.idle import IdleCrews
from farm.tiers.meter import RayMeter
from farm.tiers.pools import pools
from farm.tiers.rank import RankOptions, blob_loader
from farm.tiers.runner import GangRunner
from farm.tiers.version import code_version
from farm.tiers.watchers import Watchers

NAME = "dispatcher"
ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""Of a resource that only Ray's head has; on a spot machine it would go away with that."""
IDLE_SECONDS = 5.0
"""How long to wait for news. Nodes that join and delays that end are no news, so it is not for ever."""
LEAST_SECONDS = 0.25
"""Between two passes: attempts under way make news all the time."""
TEND_SECONDS = 2.0
REPLACE_SECONDS = 30.0
log = logging.getLogger(__name__)


@ray.remote(  # type: ignore[call-overload]  # Ray's types lack max_concurrency
    num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=4
)
class DispatcherActor:
    """Turns three loops: passes over the queue, heartbeats, and the look after the nodes."""

    def __init__(self, settings: Settings, models: Path, threads: int) -> None:
        clock, self._meter = SystemClock(), RayMeter()
        self._settings, self._since = settings, clock.now()
        self._queue = open_queue(settings.database_url, clock)
        store = BlobStore(settings.store_url, used=True)
        options = RankOptions(settings.store_url, models, settings.max_megapixels, threads)
        self._watchers = Watchers(settings, clock)
        self._idle = IdleCrews(settings.linger_seconds)
        learner = Learner(lambda: pools(settings), self._queue, clock)
        runner = GangRunner(
            options, lambda: pools(settings), self._watchers, self._idle, settings.silence_seconds
        )
        self._growth = Growth(settings)
        self._instance = instance_name()
        self._dispatcher = Dispatcher(
            self._queue, store, Quoter(learner, clock), runner, clock, self._meter,
            settings, load=blob_loader(store.get), worker=NAME, instance=self._instance,
            checkpoint_seconds=self._checkpoint_seconds,
        )  # fmt: skip
        self._halt = threading.Event()
        taken = self._dispatcher.recover()
        log.info("dispatcher up, %d tasks taken back", taken)
        for turn in (self._turn, self._beat, self._tend):
            threading.Thread(target=turn, daemon=True, name=turn.__name__).start()

    def status(self) -> dict[str, Any]:
        """Its code, its process and what it is doing."""
        attempts = self._dispatcher.attempts
        return {
            "version": code_version(), "pid": os.getpid(), "instance": self._instance,
            "node": ray.get_runtime_context().get_node_id(), "since": self._since,
            "running": len(attempts), "note": self._dispatcher.note,
            "attempts": [
                {"task": each.lease.task, "attempt": each.lease.attempt, "node": each.node}
                for each in attempts
            ],
        }  # fmt: skip

    def halt(self) -> None:
        """Claim nothing more; what runs goes on."""
        self._halt.set()

    def drain(self, reason: str, seconds: float) -> int:
        """Claim nothing more, keep and give back all that runs; returns how many attempts are left."""
        self._halt.set()
        self._idle.close()
        self._dispatcher.drain(reason)
        until = monotonic() + seconds
        while self._dispatcher.busy and monotonic() < until:
            time.sleep(0.1)
        return self._dispatcher.busy

    def _turn(self) -> None:
        while not self._halt.is_set():
            try:
                self._pass()
                self._meter.set("farm_dispatcher_up", 1)
            except (FarmError, RayError):
                # The database, the store or Ray's head is away for a while; nothing is lost by asking
                # again.
                self._meter.set("farm_dispatcher_up", 0)
                log.exception("the dispatcher could not go round")
                self._halt.wait(1.0)

    def _pass(self) -> None:
        """Do all that can be done now, then wait for news."""
        version = self._queue.version()
        self._dispatcher.listen()
        while not self._halt.is_set() and self._dispatcher.tick():
            pass
        self._halt.wait(LEAST_SECONDS)
        if not self._halt.is_set():
            self._queue.wait(version, IDLE_SECONDS)

    def _beat(self) -> None:
        # Also while draining: what is being kept is held until it is given back.
        while True:
            time.sleep(self._settings.lease_seconds / 4)
            self._dispatcher.beat()
            self._idle.keep(self._settings.lease_seconds)

    def _tend(self) -> None:
        while not self._halt.is_set():
            try:
                leaving = self._watchers.tend()
                self._idle.tend(leaving)
                self._dispatcher.vacate(leaving)
                running = [(attempt.takes, attempt.pool) for attempt in self._dispatcher.attempts]
                self._growth.ask(self._queue.ready_count(), running)
            except (FarmError, RayError, OSError):
                log.exception("the nodes could not be looked after")
            self._halt.wait(TEND_SECONDS)
        with suppress(FarmError, RayError):
            self._growth.ask(0, [])

    def _checkpoint_seconds(self, name: str) -> float | None:
        """What keeping a megapixel takes on a pool."""
        found = (pool.accelerator for pool in pools(self._settings) if pool.name == name)
        return next((each.checkpoint_seconds for each in found), None)


def start_dispatcher(settings: Settings, models: Path, threads: int) -> Any:
    """The farm's dispatcher: the one that runs if it is of this version, else a new one.

    A detached actor goes on with the code it began with. One of another version is asked to keep and
    give back what it runs, and ended; its successor goes on from there.

    Raises:
        Unavailable: one of another version does not end.
    """
    try:
        running = ray.get_actor(NAME, namespace=NAMESPACE)
    except ValueError:
        running = None
    if running is not None:
        if _version(running) == code_version():
            return running
        end_dispatcher(running, "another version of the farm takes over", settings.drain_seconds)
    return DispatcherActor.options(  # type: ignore[attr-defined]
        name=NAME, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, resources=ON_THE_HEAD
    ).remote(settings, models, threads)


def end_dispatcher(
    actor: Any, reason: str, seconds: float, hurry: threading.Event | None = None
) -> None:
    """Let it keep and give back what it runs for so long, then end it. ``hurry`` cuts that short.

    Raises:
        Unavailable: Ray does not let go of it.
    """
    with suppress(RayError):  # it is gone already, which is all we want
        call = actor.drain.remote(reason, seconds)
        until = monotonic() + seconds + 2.0
        while monotonic() < until and not (hurry and hurry.is_set()):
            if ray.wait([call], timeout=0.1)[0]:
                break
        ray.kill(actor, no_restart=True)
    until = monotonic() + REPLACE_SECONDS
    while monotonic() < until:
        try:
            ray.get_actor(NAME, namespace=NAMESPACE)
        except ValueError:
            return
        time.sleep(0.05)
    raise Unavailable("the dispatcher does not end; look at its process in 'farm status'.")


def _version(actor: Any) -> str:
    try:
        found: dict[str, Any] = ray.get(actor.status.remote(), timeout=REPLACE_SECONDS)
    except (RayError, GetTimeoutError):
        return ""
    return str(found.get("version", ""))
