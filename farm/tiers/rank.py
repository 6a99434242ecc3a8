"""One rank of a print gang: the process that holds a device and its rows of the picture.

A rank never restarts and never retries by itself: Ray would run the method again beside a first run
that may still be writing. The dispatcher starts a new fenced attempt instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from farm.dispatch.ports import Stop
from farm.spec.event import Event
from farm.spec.record import Lease

if TYPE_CHECKING:  # the dispatcher's process does without torch
    from farm.engine.mesh import Mesh

PEER_SECONDS = 600.0
"""How long ranks wait for one that is silent. Rank 0 encodes the finished picture meanwhile."""
_NICENESS = 10
"""Prints give way to previews on a shared processor."""


@dataclass(frozen=True)
class RankOptions:
    """What a rank needs to know of the farm, all of it plain values.

    ``threads`` are those of the whole gang.
    """

    store_url: str
    models: Path
    max_megapixels: int
    threads: int
    checkpoint_seconds: float = 15.0


@dataclass(frozen=True)
class Seat:
    """A rank's place in its gang. All ranks are on one machine and meet at ``port`` on its loopback."""

    rank: int = 0
    size: int = 1
    port: int = 0
    gpu: bool = False


@ray.remote(  # type: ignore[call-overload]  # Ray's types lack concurrency_groups
    max_restarts=0, max_task_retries=0, concurrency_groups={"ctl": 2}
)
class PrintRank:
    """Renders its rows of one task and answers control calls meanwhile."""

    def __init__(self, options: RankOptions) -> None:
        os.nice(_NICENESS)
        self._options = options
        self._wish: Stop | None = None

    def prepare(self) -> int:
        """Load what rendering needs, so that no rank waits for another's imports; a free port here."""
        import farm.dispatch.render  # noqa: F401
        from farm.engine.distributed import free_port

        return free_port()

    def render(self, lease: Lease, seat: Seat) -> Iterator[str]:
        """The task's events as JSON, from rank 0. Streams; ends without ``done`` when stopped."""
        for event in self._events(lease, seat):
            yield event.model_dump_json()

    def follow(self, lease: Lease, seat: Seat) -> None:
        """Do another rank's part, which ends when rank 0 ends."""
        for _ in self._events(lease, seat):
            pass

    @ray.method(concurrency_group="ctl")
    def stop(self, how: Stop) -> None:
        """End at the next iteration; rank 0 decides for all."""
        self._wish = how

    @ray.method(concurrency_group="ctl")
    def pid(self) -> int:
        """The process that holds this rank."""
        return os.getpid()

    def _events(self, lease: Lease, seat: Seat) -> Iterator[Event]:
        import torch

        from farm.catalog.catalogue import Catalogue
        from farm.dispatch.preview_task import render_preview
        from farm.dispatch.render import render
        from farm.dispatch.workplace import Order, Workplace
        from farm.imaging.limits import Limits
        from farm.store import BlobStore

        options = self._options
        torch.set_num_threads(max(1, options.threads // seat.size))
        store = BlobStore(options.store_url)
        order = Order(lease.spec, lease.task, lease.attempt, f"pid {os.getpid()}", lease.checkpoint)
        with _mesh(seat) as mesh:
            place = Workplace(
                store, Catalogue(options.models), load=blob_loader(store.get), mesh=mesh,
                limits=Limits(max_megapixels=options.max_megapixels),
                checkpoint_seconds=options.checkpoint_seconds, neighbours=1 if seat.gpu else seat.size,
            )  # fmt: skip
            if lease.spec.kind == "preview":
                yield from render_preview(order, place)
            else:
                yield from render(order, place, lambda: self._wish)


def _mesh(seat: Seat) -> AbstractContextManager[Mesh]:
    """The ranks that share the picture, met on loopback; one alone needs no group."""
    import torch

    from farm.engine.distributed import join
    from farm.engine.mesh import Alone

    # Ray shows each rank its own GPU and no other.
    device = torch.device("cuda", 0) if seat.gpu else torch.device("cpu")
    if seat.size == 1:
        return nullcontext(Alone(device))
    return join(
        seat.rank, seat.size, seat.port, backend="nccl" if seat.gpu else "gloo",
        timeout_seconds=PEER_SECONDS, device=device,
    )  # fmt: skip


def blob_loader(get: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Loads ``sha256:…`` references from a store."""
    return lambda reference: get(reference.removeprefix("sha256:"))
