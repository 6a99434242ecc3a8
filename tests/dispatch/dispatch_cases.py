"""A farm without Ray: a real queue and store, and a runner that renders in this process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from farm.catalog import Catalogue
from farm.clock import ManualClock
from farm.dispatch.dispatcher import Dispatcher
from farm.dispatch.ports import Stop
from farm.dispatch.preview_task import render_preview
from farm.dispatch.quotes import Quoter
from farm.dispatch.render import render
from farm.dispatch.retry import Conditions
from farm.dispatch.workplace import Order, Workplace
from farm.observe.meter import PrometheusMeter
from farm.queue import MemoryQueue, Queue, open_queue
from farm.route.accelerator import Pool
from farm.route.calibration import local_pools
from farm.settings import Settings
from farm.spec import Decision, Event, Job, JobState, Lease, parse_job
from farm.spec.event import Done, Progress, Started
from farm.store import BlobStore

KINDS = ("memory", "sqlite")
SECONDS_PER_EVENT = 0.25
RIGHTS = {"licence": "own", "source": "these tests"}


def png(width: int = 48, height: int = 40, *, seed: int = 0, channels: int = 3) -> bytes:
    """Smooth waves with a little noise, so that statistics are not flat."""
    rows, columns = np.mgrid[0:height, 0:width]
    draw = np.random.default_rng(seed)
    phases, paces = draw.uniform(0, 6, (2, channels)), draw.uniform(0.05, 0.5, (2, channels))
    waves = np.sin(rows[..., None] * paces[0] + phases[0]) + np.sin(
        columns[..., None] * paces[1] + phases[1]
    )
    pixels = 128 + 50 * waves + draw.normal(0, 8, (height, width, channels))
    return encoded(pixels.clip(0, 255).astype(np.uint8))


def plain(width: int, height: int, *colour: int) -> bytes:
    """One colour with a little noise."""
    noise = np.random.default_rng(sum(colour)).normal(0, 12, (height, width, 3))
    return encoded((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def encoded(pixels: np.ndarray[Any, Any]) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Here:
    """A run in this process. ``meddle`` sees each event before it is recorded, and may raise."""

    def __init__(self, bench: Bench, lease: Lease, meddle: Meddle) -> None:
        self.lease, self.killed, self.released = lease, 0, 0
        self.wish: Stop | None = None
        self.kept: list[float] = []
        self._bench, self._meddle = bench, meddle

    def events(self) -> Iterator[Event]:
        lease = self.lease
        order = Order(lease.spec, lease.task, lease.attempt, "here", lease.checkpoint)
        place = self._bench.place
        if lease.spec.kind == "preview":
            events = render_preview(order, place)
        else:
            events = render(order, place, lambda: self.wish)
        for event in events:
            if isinstance(event, Started):
                event = event.model_copy(update={"node": self._bench.node})
            self._bench.clock.advance(SECONDS_PER_EVENT)
            self._meddle(self, event)
            yield event

    def stop(self, how: Stop) -> None:
        self.wish = how

    def kill(self) -> bool:
        self.killed += 1
        return self._bench.reachable

    def release(self) -> None:
        self.released += 1

    def keep(self, seconds: float) -> None:
        self.kept.append(seconds)

    def tail(self) -> str:
        return f"the log of attempt {self.lease.attempt}"


Meddle = Callable[[Here, Event], None]


def leave(run: Here, event: Event) -> None:
    """Meddles with nothing."""


def once(act: Callable[[Here], None], when: Callable[[Event], bool]) -> Meddle:
    """Act at the first event that is meant, in whichever run it comes."""
    acted: list[Event] = []

    def meddle(run: Here, event: Event) -> None:
        if not acted and when(event):
            acted.append(event)
            act(run)

    return meddle


def midway(event: Event) -> bool:
    """At the second iteration of the second scale."""
    return isinstance(event, Progress) and (event.scale, event.iteration) == (2, 2)


def raises(error: Exception) -> Callable[[Here], None]:
    def act(_run: Here) -> None:
        raise error

    return act


class Bench:
    """Everything that one farm has, and what happened to its job ``j1``."""

    def __init__(self, queue: Queue, clock: ManualClock, folder: Path, models: Path) -> None:
        self.queue, self.clock = queue, clock
        self.settings = Settings(home=folder / "home", cpus=2, lease_seconds=30.0, max_attempts=3)
        self.store = BlobStore(str(folder / "store"))
        self.meter = PrometheusMeter()
        self.runs: list[Here] = []
        self.meddle: Meddle = leave
        self.start_seconds = 0.0
        self.node, self.places = "n1", 1
        self.nodes = {"n1"}
        self.reachable = True
        self.pools: Callable[[], Sequence[Pool]] = lambda: local_pools(self.settings)
        self.together_in: dict[str, int] = {}
        self.dead: set[str] = set()
        self.buried: list[tuple[str, int]] = []
        self.conditions: list[Conditions] = []
        self.place = Workplace(
            self.store, Catalogue(models), load=self.load, checkpoint_seconds=0.0, progress_seconds=0.0
        )

    def load(self, reference: str) -> bytes:
        return self.store.get(reference.removeprefix("sha256:"))

    def start(self, lease: Lease, decision: Decision, conditions: Conditions) -> Here:
        """As the runner of its dispatchers, like all that follows up to ``capacity``."""
        self.clock.advance(self.start_seconds)
        self.conditions.append(conditions)
        self.runs.append(Here(self, lease, self.meddle))
        return self.runs[-1]

    def bury(self, task: str, attempt: int) -> bool:
        self.buried.append((task, attempt))
        return self.reachable

    def gone(self, worker: str) -> bool:
        return worker.rpartition("/")[0] in self.dead

    def together(self, pool: str, avoid: Collection[str]) -> int:
        return self.together_in.get(pool, 8)

    def takes(self, lease: Lease) -> int:
        return 1

    def capacity(self, avoid: Collection[str]) -> int:
        return self.places * len(self.nodes - set(avoid))

    def dispatcher(self, instance: str = "one", **changes: Any) -> Dispatcher:
        quoter = Quoter(lambda: self.pools(), self.clock)
        return Dispatcher(
            self.queue, self.store, quoter, self, self.clock, self.meter, self.settings,
            load=self.load, instance=instance, spawn=lambda work: work(), **changes,
        )  # fmt: skip

    def blob(self, data: bytes) -> str:
        return f"sha256:{self.store.put(data)}"

    def submit(self, job_id: str = "j1", **changes: Any) -> Job:
        style = {"image": self.blob(png(seed=5)), "rights": RIGHTS}
        spec = {
            "farm": 1, "kind": "print", "content": self.blob(png()), "styles": [style],
            "output": {"long_edge": 64}, "quality": {"preset": "draft"},
            "engine": {"precision": "float32"},
        }  # fmt: skip
        job = parse_job({**spec, **changes})
        self.queue.add(job_id, job)
        return job

    def finish(self, dispatcher: Dispatcher | None = None) -> None:
        """Dispatch until nothing is left to do, waiting out every delay."""
        dispatcher = dispatcher or self.dispatcher()
        for _ in range(12):
            while dispatcher.tick():
                pass
            self.clock.advance(60)

    def events(self, kind: str | None = None) -> list[Any]:
        found: list[Any] = self.queue.events("j1", limit=100_000)
        assert [event.seq for event in found] == list(range(1, len(found) + 1))
        return [event for event in found if kind in (None, event.kind)]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events()]

    def state(self) -> JobState:
        return self.queue.job("j1").state

    def done(self) -> Done:
        (done,) = self.events("done")
        assert isinstance(done, Done)
        return done

    def final(self) -> bytes:
        return self.store.get(self.done().artefacts[0].blob)

    def kept(self) -> set[str]:
        """Names of all blobs in the store."""
        return {path.name for path in (Path(self.store.url) / "sha256").glob("*/*")}


@contextmanager
def opened(kind: str, folder: Path, models: Path) -> Iterator[Bench]:
    clock = ManualClock()
    url = f"sqlite:///{folder / 'farm.db'}"
    queue = MemoryQueue(clock) if kind == "memory" else open_queue(url, clock)
    try:
        yield Bench(queue, clock, folder, models)
    finally:
        queue.close()
