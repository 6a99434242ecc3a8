"""The dispatcher as a named detached actor that Ray starts again whenever it dies.

Its state is in the database; the actor only turns the loop.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import ray

from farm.clock import SystemClock
from farm.dispatch.dispatcher import Dispatcher
from farm.dispatch.quotes import Quoter
from farm.errors import FarmError
from farm.queue import open_queue
from farm.route.calibration import local_pools
from farm.settings import Settings
from farm.store import BlobStore
from farm.tiers.gang import GangRunner
from farm.tiers.meter import RayMeter
from farm.tiers.rank import RankOptions, blob_loader

NAME = "dispatcher"
NAMESPACE = "farm"
IDLE_SECONDS = 0.25
log = logging.getLogger(__name__)


@ray.remote(  # type: ignore[call-overload]  # Ray's types lack max_concurrency
    num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=4
)
class DispatcherActor:
    """Owns the gangs it starts: when it dies they die, and its successor takes their tasks back."""

    def __init__(self, settings: Settings, models: Path, threads: int) -> None:
        clock, self._meter = SystemClock(), RayMeter()
        queue, store = open_queue(settings.database_url, clock), BlobStore(settings.store_url)
        options = RankOptions(settings.store_url, models, settings.max_megapixels, threads)
        runner = GangRunner(options, lambda: local_pools(settings))
        self._dispatcher = Dispatcher(
            queue, store, Quoter(lambda: local_pools(settings), clock), runner, clock, self._meter,
            settings, load=blob_loader(store.get),
        )  # fmt: skip
        self._halt = threading.Event()
        self._beats = settings.lease_seconds / 4
        taken = self._dispatcher.recover()
        log.info("dispatcher up, %d tasks taken back", taken)
        for turn in (self._turn, self._beat):
            threading.Thread(target=turn, daemon=True).start()

    def status(self) -> dict[str, Any]:
        """Its process and what it is doing."""
        return {"pid": os.getpid(), "running": self._dispatcher.busy}

    def halt(self) -> None:
        """Claim nothing more."""
        self._halt.set()

    def _turn(self) -> None:
        while not self._halt.is_set():
            try:
                again = self._dispatcher.tick()
                self._meter.set("farm_dispatcher_up", 1)
            except FarmError:
                # The database or the store is away for a while; nothing is lost by asking again.
                log.exception("the dispatcher could not go round")
                again = False
            if not again:
                self._halt.wait(IDLE_SECONDS)

    def _beat(self) -> None:
        while not self._halt.wait(min(1.0, self._beats)):
            self._dispatcher.beat()


def start_dispatcher(settings: Settings, models: Path, threads: int) -> Any:
    """The farm's dispatcher, started if there is none."""
    return DispatcherActor.options(  # type: ignore[attr-defined]
        name=NAME, namespace=NAMESPACE, lifetime="detached", get_if_exists=True
    ).remote(settings, models, threads)
