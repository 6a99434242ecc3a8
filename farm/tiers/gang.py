"""Print gangs: the actors that optimise, one rank per accelerator, and their handle for the dispatcher.

A rank never restarts and never retries by itself: Ray would run the method again beside a first run
that may still be writing. The dispatcher starts a new fenced attempt instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from farm.dispatch.ports import Stop
from farm.dispatch.retry import WorkerLost
from farm.errors import FarmError, Unavailable
from farm.spec.event import Event, parse_event
from farm.spec.record import Lease
from farm.spec.routing import Decision

PLACEMENT_SECONDS = 60.0
_NICENESS = 10
"""Prints give way to previews on a shared processor."""


@dataclass(frozen=True)
class RankOptions:
    """What a rank needs to know of the farm, all of it plain values."""

    store_url: str
    models: Path
    max_megapixels: int
    threads: int
    checkpoint_seconds: float = 15.0


@ray.remote(  # type: ignore[call-overload]  # Ray's types lack concurrency_groups
    max_restarts=0, max_task_retries=0, concurrency_groups={"ctl": 2}
)
class PrintRank:
    """One process that renders one task and answers control calls meanwhile."""

    def __init__(self, options: RankOptions) -> None:
        os.nice(_NICENESS)
        self._options = options
        self._wish: Stop | None = None

    def render(self, lease: Lease) -> Iterator[str]:
        """The task's events as JSON. Streams; ends without ``done`` when stopped."""
        import torch

        from farm.catalog.catalogue import Catalogue
        from farm.dispatch.preview_task import render_preview
        from farm.dispatch.render import Order, Workplace, render
        from farm.imaging.limits import Limits
        from farm.store import BlobStore

        options = self._options
        torch.set_num_threads(options.threads)
        store = BlobStore(options.store_url)
        place = Workplace(
            store, Catalogue(options.models), load=blob_loader(store.get),
            limits=Limits(max_megapixels=options.max_megapixels),
            checkpoint_seconds=options.checkpoint_seconds,
        )  # fmt: skip
        order = Order(lease.spec, lease.task, lease.attempt, f"pid {os.getpid()}", lease.checkpoint)
        if lease.spec.kind == "preview":
            events = render_preview(order, place)
        else:
            events = render(order, place, lambda: self._wish)
        for event in events:
            yield event.model_dump_json()

    @ray.method(concurrency_group="ctl")
    def stop(self, how: Stop) -> None:
        """End at the next iteration."""
        self._wish = how

    @ray.method(concurrency_group="ctl")
    def pid(self) -> int:
        """The process that holds this rank."""
        return os.getpid()


def blob_loader(get: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Loads ``sha256:…`` references from a store."""
    return lambda reference: get(reference.removeprefix("sha256:"))


class Gang:
    """The ranks of one attempt, as the dispatcher sees them."""

    def __init__(self, lease: Lease, group: PlacementGroup, rank: Any) -> None:
        self._lease, self._group, self._rank = lease, group, rank
        self._ended = False

    def events(self) -> Iterator[Event]:
        """The rank's events. Raises the rank's own error, or ``WorkerLost``."""
        try:
            stream = self._rank.render.options(num_returns="streaming").remote(self._lease)
            for reference in stream:
                yield parse_event(ray.get(reference))
        except RayTaskError as error:
            raise _cause(error) from None
        except RayActorError:
            raise WorkerLost(
                "the print process ended unexpectedly; the task is taken up again."
            ) from None
        except RayError as error:
            raise WorkerLost(f"Ray lost the print process ({type(error).__name__}).") from None

    def stop(self, how: Stop) -> None:
        """Ask the rank to end at its next iteration."""
        self._rank.stop.remote(how)

    def kill(self) -> None:
        """End the rank and give its place back."""
        if self._ended:
            return
        self._ended = True
        ray.kill(self._rank, no_restart=True)
        remove_placement_group(self._group)


class GangRunner:
    """Starts a gang of one rank per attempt in a placement group of its own."""

    def __init__(self, options: RankOptions) -> None:
        self._options = options

    def start(self, lease: Lease, decision: Decision) -> Gang:
        """Place and start the ranks.

        Raises:
            Unavailable: there was no place for them in time; asking on would wait for ever.
        """
        group = placement_group([{"CPU": 1}], strategy="STRICT_PACK", name=f"print {lease.task}")
        try:
            ray.get(group.ready(), timeout=PLACEMENT_SECONDS)
        except GetTimeoutError:
            remove_placement_group(group)
            raise Unavailable(
                f"pool {decision.chosen.pool!r} had no free place within {PLACEMENT_SECONDS:.0f} s; "
                "the task waits for its next turn."
            ) from None
        rank = PrintRank.options(  # type: ignore[attr-defined]
            name=f"print {lease.task} attempt {lease.attempt}",
            num_cpus=1,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group),
        ).remote(self._options)
        return Gang(lease, group, rank)


def _cause(error: RayTaskError) -> BaseException:
    """What the rank raised, as it raised it."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, FarmError):
        return cause
    return RuntimeError(f"{type(cause).__name__}: {cause}" if cause else str(error))
