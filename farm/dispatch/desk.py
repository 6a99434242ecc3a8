"""What all attempts of a dispatcher work with, and how one is settled once it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farm.clock import Clock
from farm.dispatch.evidence import evidence
from farm.dispatch.ports import Blobs, Queue, Runner
from farm.dispatch.quotes import ranks_of
from farm.dispatch.retry import Conditions, RetryDecision
from farm.dispatch.tally import Stretch
from farm.observe.metrics import Meter
from farm.settings import Settings
from farm.spec.cost import Pace
from farm.spec.event import Rendition
from farm.spec.record import Lease
from farm.spec.routing import Decision, Option


@dataclass(frozen=True)
class Desk:
    """All that attempts work with.

    Args:
        route: the pool for a lease's job.
        checkpoint_seconds: what keeping a megapixel takes on a pool, None where nobody has measured it.
        pace: what a stretch of an attempt's work says of the way it was done.
    """

    queue: Queue
    store: Blobs
    runner: Runner
    clock: Clock
    meter: Meter
    settings: Settings
    route: Callable[[Lease], Decision]
    checkpoint_seconds: Callable[[str], float | None] = lambda pool: None
    pace: Callable[[Lease, Option, Stretch], Pace | None] = lambda lease, option, stretch: None


def settle(
    desk: Desk, lease: Lease, choice: RetryDecision, log: str = "", newest: Rendition | None = None
) -> None:
    """Write what was decided about a task whose attempt has ended.

    Raises:
        StaleLease: it is somebody else's by now.
    """
    if choice.ending == "again":
        desk.queue.retry(
            lease, choice.cause, choice.reason, delay=choice.delay, counts=choice.counts,
            lost=choice.lost,
        )  # fmt: skip
        desk.meter.count("farm_tasks_retried_total", cause=choice.cause)
        return
    if choice.ending == "quarantine":
        kept = evidence(lease, desk.store, log, newest)
        desk.queue.quarantine(lease, choice.cause, choice.reason, kept)
    else:
        desk.queue.fail(lease, choice.cause, choice.reason)
    desk.meter.count("farm_jobs_finished_total", kind=lease.spec.kind, state="failed")


def eased(lease: Lease, chosen: Conditions) -> Lease:
    """The lease with the engine's settings that its past calls for."""
    engine = lease.spec.engine
    changes: dict[str, str] = {}
    if chosen.precision:
        changes["precision"] = chosen.precision
    if chosen.shrink and engine.tile != "auto":
        changes["tile"] = "auto"  # what was asked for does not fit
    if not changes:
        return lease
    spec = lease.spec.model_copy(update={"engine": engine.model_copy(update=changes)})
    return lease.model_copy(update={"spec": spec})


def devices_of(lease: Lease, way: Option) -> int:
    """Devices that a task asks for, or else those of the way it was given."""
    return ranks_of(lease.spec) or way.devices
