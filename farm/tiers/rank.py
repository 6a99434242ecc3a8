"""One rank of a print gang: the process that holds a device and its rows of one picture at a time.

A rank never restarts and never retries by itself: Ray would run the method again beside a first run
that may still be writing. The dispatcher starts a new fenced attempt instead.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from farm.dispatch.memory_kills import memory_kills
from farm.dispatch.ports import Stop
from farm.dispatch.tail import Tail, tailed
from farm.spec.event import Event, Started
from farm.spec.record import Lease

if TYPE_CHECKING:  # the dispatcher's process does without torch
    from farm.engine.mesh import Mesh

PEER_SECONDS = 600.0
"""How long ranks wait for one that is silent. Rank 0 encodes the finished picture meanwhile."""
log = logging.getLogger(__name__)
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
    """A rank's place in its gang. All ranks are on one machine and meet at ``port`` on its loopback.

    ``shrink`` is how often the memory that it may plan with is halved.
    """

    rank: int = 0
    size: int = 1
    port: int = 0
    gpu: bool = False
    shrink: int = 0


@dataclass(frozen=True)
class Berth:
    """Where a rank has come up: a free port, its node, and the kernel's count of memory kills there."""

    port: int
    node: str
    memory_kills: int


class Leash:
    """Ends this process when nobody has said in time that it may go on.

    A dispatcher that cannot be reached will take the task for lost once the lease has run out; this
    process has ended by then.
    """

    def __init__(self, end: Callable[[], None] = lambda: os._exit(1)) -> None:
        self._end, self._told = end, threading.Event()
        self._seconds = 0.0
        self._thread: threading.Thread | None = None

    def lengthen(self, seconds: float) -> None:
        """Go on for so long from now."""
        self._seconds = seconds
        self._told.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True, name="leash")
            self._thread.start()

    def _watch(self) -> None:
        while self._told.wait(self._seconds):
            self._told.clear()
        log.error("nobody has renewed the lease for %.0f s; this process ends", self._seconds)
        self._end()


@ray.remote(  # type: ignore[call-overload]  # Ray's types lack concurrency_groups
    max_restarts=0, max_task_retries=0, concurrency_groups={"ctl": 3}
)
class PrintRank:
    """Renders its rows of one task and answers control calls meanwhile."""

    def __init__(self, options: RankOptions) -> None:
        os.nice(_NICENESS)
        self._options = options
        self._wishes: dict[int, Stop] = {}
        self._bytes = 0
        self._tail = Tail()
        self._leash = Leash()

    def prepare(self) -> Berth:
        """Load what rendering needs, so that no rank waits for another's imports."""
        import farm.dispatch.render  # noqa: F401
        from farm.engine.distributed import free_port

        return Berth(free_port(), ray.get_runtime_context().get_node_id(), memory_kills())

    def render(self, lease: Lease, seat: Seat) -> Iterator[str]:
        """The task's events as JSON, from rank 0. Streams; ends without ``done`` when stopped."""
        for event in self._events(lease, seat):
            yield event.model_dump_json()

    def follow(self, lease: Lease, seat: Seat) -> None:
        """Do another rank's part, which ends when rank 0 ends."""
        for _ in self._events(lease, seat):
            pass

    @ray.method(concurrency_group="ctl")
    def stop(self, token: int, how: Stop) -> None:
        """End that attempt at its next iteration; rank 0 decides for all."""
        self._wishes[token] = how

    @ray.method(concurrency_group="ctl")
    def keep(self, seconds: float) -> None:
        """The lease holds for so long; without another word this process ends then."""
        self._leash.lengthen(seconds)

    @ray.method(concurrency_group="ctl")
    def tail(self) -> str:
        """The last lines of its log."""
        return self._tail.text()

    @ray.method(concurrency_group="ctl")
    def held_bytes(self) -> int:
        """Memory that it kept after its last work."""
        return self._bytes

    def _events(self, lease: Lease, seat: Seat) -> Iterator[Event]:
        """What the rank says, with its node filled in and its last words kept."""
        from farm.engine.memory import let_go

        node = ray.get_runtime_context().get_node_id()
        with tailed(logging.getLogger("farm")) as self._tail:
            try:
                for event in self._rendered(lease, seat):
                    if isinstance(event, Started):
                        event = event.model_copy(update={"node": node})
                    yield event
            except Exception:
                log.exception("rank %d of %d failed", seat.rank, seat.size)
                raise
            finally:
                self._wishes.pop(lease.token, None)
                self._bytes = let_go()

    def _rendered(self, lease: Lease, seat: Seat) -> Iterator[Event]:
        import torch

        from farm.catalog.catalogue import Catalogue
        from farm.dispatch.preview_task import render_preview
        from farm.dispatch.render import render
        from farm.dispatch.workplace import Order, Workplace
        from farm.imaging.limits import Limits
        from farm.store import BlobStore

        options = self._options
        torch.set_num_threads(max(1, options.threads // seat.size))
        store = BlobStore(options.store_url, used=True)
        order = Order(lease.spec, lease.task, lease.attempt, f"pid {os.getpid()}", lease.checkpoint)
        with _mesh(seat) as mesh:
            place = Workplace(
                store, Catalogue(options.models), load=blob_loader(store.get), mesh=mesh,
                limits=Limits(max_megapixels=options.max_megapixels),
                checkpoint_seconds=options.checkpoint_seconds,
                neighbours=(1 if mesh.device.type == "cuda" else seat.size) << seat.shrink,
            )  # fmt: skip
            if lease.spec.kind == "preview":
                yield from render_preview(order, place)
            else:
                yield from render(order, place, lambda: self._wishes.get(lease.token))


def _mesh(seat: Seat) -> AbstractContextManager[Mesh]:
    """The ranks that share the picture, met on loopback; one alone needs no group."""
    import torch

    from farm.engine.distributed import join
    from farm.engine.mesh import Alone

    # Ray shows each rank its own GPU and no other. One that exists on paper only is the processor.
    cuda = seat.gpu and torch.cuda.is_available()
    device = torch.device("cuda", 0) if cuda else torch.device("cpu")
    if seat.size == 1:
        return nullcontext(Alone(device))
    return join(
        seat.rank, seat.size, seat.port, backend="nccl" if cuda else "gloo",
        timeout_seconds=PEER_SECONDS, device=device,
    )  # fmt: skip


def blob_loader(get: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Loads ``sha256:…`` references from a store."""
    return lambda reference: get(reference.removeprefix("sha256:"))
