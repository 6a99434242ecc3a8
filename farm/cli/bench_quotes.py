"""Quotes against what prints really took: run through the dispatcher, in this process, one by one."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from farm.catalog import Catalogue, models_folder, procedural
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.clock import SystemClock
from farm.dispatch.dispatcher import Dispatcher
from farm.dispatch.learner import Learner
from farm.dispatch.ports import Stop
from farm.dispatch.quotes import Quoter
from farm.dispatch.render import render
from farm.dispatch.retry import Conditions
from farm.dispatch.workplace import Order, Workplace
from farm.imaging.encode import encode
from farm.imaging.picture import Picture
from farm.observe.meter import NullMeter
from farm.queue import MemoryQueue
from farm.route.accelerator import Pool
from farm.route.calibration import local_pools
from farm.settings import Settings
from farm.spec import Decision, Event, Job, Lease, parse_job
from farm.spec.cost import RunCost
from farm.store import BlobStore

RIGHTS = {"licence": "own", "source": "made by this benchmark"}
EXTRACTOR = "farm-texture"


@dataclass(frozen=True)
class Sizes:
    """Long edges in pixels and presets of the prints, and how often the round of them is run.

    The first ``lessons`` rounds teach: a quote is asked for before every print, but only those of the
    rounds after count.
    """

    edges: tuple[int, ...] = (256, 384, 512, 768)
    presets: tuple[str, ...] = ("draft", "standard")
    lessons: int = 1
    rounds: int = 3


QUICK = Sizes(edges=(128, 160, 192), presets=("draft",), lessons=1, rounds=2)


class Here:
    """An attempt in this process."""

    def __init__(self, lease: Lease, place: Workplace) -> None:
        self._lease, self._place = lease, place
        self._wish: Stop | None = None

    def events(self) -> Iterator[Event]:
        """As ``Run.events``."""
        lease = self._lease
        order = Order(lease.spec, lease.task, lease.attempt, "here", lease.checkpoint)
        yield from render(order, self._place, lambda: self._wish)

    def stop(self, how: Stop) -> None:
        """As ``Run.stop``."""
        self._wish = how

    def kill(self) -> bool:
        """It ends with this process's own thread of events."""
        return True

    def release(self) -> None:
        """It holds nothing that others could use."""

    def keep(self, seconds: float) -> None:
        """Nobody else would take its place."""

    def tail(self) -> str:
        """Its log is this process's."""
        return ""


class HereRunner:
    """The one place of this process."""

    def __init__(self, place: Workplace) -> None:
        self._place = place

    def start(self, lease: Lease, decision: Decision, conditions: Conditions) -> Here:
        """As ``Runner.start``."""
        return Here(lease, self._place)

    def bury(self, task: str, attempt: int) -> bool:
        """As ``Runner.bury``."""
        return True

    def gone(self, worker: str) -> bool:
        """As ``Runner.gone``."""
        return False

    def together(self, pool: str, avoid: Collection[str]) -> int:
        """As ``Runner.together``."""
        return 1

    def takes(self, lease: Lease) -> int:
        """As ``Runner.takes``."""
        return 1

    def capacity(self, avoid: Collection[str]) -> int:
        """As ``Runner.capacity``."""
        return 1


def figures(settings: Settings, *, quick: bool) -> list[Figure]:
    """How far quotes are off, and how many prints stay under their nine in ten."""
    sizes = QUICK if quick else Sizes()
    pools = local_pools(settings)
    with TemporaryDirectory(prefix="farm-bench-") as folder:
        taught, counted = measured(settings, pools, Path(folder), sizes)
    found = [_error("quote against actual: median error", counted), _covered(counted)]
    first = _error("the same of the prints that taught", taught)
    speed = pools[0].accelerator.speeds[EXTRACTOR]
    note = "" if speed.calibrated else "not calibrated: 'farm bench engine' measures this machine"
    return [*found, first.model_copy(update={"note": "; ".join(filter(None, (first.note, note)))})]


def measured(
    settings: Settings, pools: tuple[Pool, ...], folder: Path, sizes: Sizes
) -> tuple[list[RunCost], list[RunCost]]:
    """Every print with its prediction and what it took: those that taught, and those after."""
    clock, store = SystemClock(), BlobStore(str(folder / "store"))
    queue, catalogue = MemoryQueue(clock), Catalogue(models_folder(settings))

    def load(reference: str) -> bytes:
        return store.get(reference.removeprefix("sha256:"))

    place = Workplace(store, catalogue, load=load)
    quoter = Quoter(Learner(lambda: pools, queue, clock, fresh=0.0), clock)
    dispatcher = Dispatcher(
        queue, store, quoter, HereRunner(place), clock, NullMeter(), settings, load=load,
        spawn=lambda work: work(),
    )  # fmt: skip
    runs: tuple[list[RunCost], list[RunCost]] = ([], [])
    with _beating(dispatcher, settings.lease_seconds / 4):
        for number in range(sizes.lessons + sizes.rounds):
            for name, job in _round(store, sizes, number):
                queue.add(name, job)
                dispatcher.tick()
                (run,) = queue.runs(name)
                runs[number >= sizes.lessons].append(run)
                messages().print(f"{name}: quoted {run.p50_seconds:.1f} s, took {run.seconds:.1f} s")
    return runs


@contextmanager
def _beating(dispatcher: Dispatcher, seconds: float) -> Iterator[None]:
    """Renew the leases meanwhile: time is charged as far as a lease goes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds):
            dispatcher.beat()

    thread = threading.Thread(target=beat, daemon=True, name="beat")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _round(store: BlobStore, sizes: Sizes, number: int) -> Iterator[tuple[str, Job]]:
    style = {"image": _blob(store, "marble", number, 256), "rights": RIGHTS}
    for edge in sizes.edges:
        content = _blob(store, "scene", number, edge)
        for preset in sizes.presets:
            job: dict[str, Any] = {
                "farm": 1, "kind": "print", "content": content, "styles": [style],
                "output": {"long_edge": edge},
                "quality": {"preset": preset, "extractor": EXTRACTOR, "seed": number},
            }  # fmt: skip
            yield f"{preset}-{edge}-{number}", parse_job(job)


def _blob(store: BlobStore, generator: str, seed: int, edge: int) -> str:
    file = BytesIO()
    picture = Picture(procedural.picture(generator, seed + 1, edge * 3 // 4, edge))
    encode(picture, file, format="png", bits=8)
    return f"sha256:{store.put(file.getvalue())}"


def _error(name: str, runs: list[RunCost]) -> Figure:
    off = [abs(run.seconds / run.p50_seconds - 1) * 100 for run in runs]
    note = f"of {len(runs)}, the worst {max(off):.0f} %"
    return Figure(name=name, value=statistics.median(off), unit="%", note=note)


def _covered(runs: list[RunCost]) -> Figure:
    under = sum(run.seconds <= run.p90_seconds for run in runs)
    return Figure(
        name="prints under their nine in ten", value=100 * under / len(runs), unit="%",
        note=f"{under} of {len(runs)}",
    )  # fmt: skip
