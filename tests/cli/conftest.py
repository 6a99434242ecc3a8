"""A real gateway on a free port, with its queue in memory, for the commands that talk to a farm."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from PIL import Image

from farm import catalog
from farm.catalog import Catalogue, ModelCard, StyleCard, digest, write_card
from farm.cli import main
from farm.clock import ManualClock
from farm.gateway.app import create_app
from farm.gateway.orders import Nets
from farm.gateway.ports import PreviewAnswer, PreviewOrder, Services
from farm.gateway.testing import OneProcess
from farm.observe.meter import NullMeter
from farm.queue import MemoryQueue
from farm.route import Accelerator, Pool, Speed, footprint, quote
from farm.settings import Settings
from farm.spec import Job, Quote
from farm.store import BlobStore

Farm = Callable[..., int]


class Cards:
    """The catalogue as the gateway wants it."""

    def __init__(self, folder: Path) -> None:
        self._catalogue = Catalogue(folder)

    def styles(self) -> list[dict[str, object]]:
        return [card.model_dump(mode="json") for card in self._catalogue.styles()]

    def style(self, name: str) -> dict[str, object]:
        return self._catalogue.style(name).model_dump(mode="json")

    def style_picture(self, name: str) -> bytes:
        return self._catalogue.style_path(name).read_bytes()

    def models(self) -> list[dict[str, object]]:
        return [{"name": "farm-texture"}]

    def check_rights(self, job: Job, /) -> None:
        catalog.check_rights(job, self._catalogue)


class Echo:
    """A preview tier that answers with the content."""

    def nets(self) -> Nets:
        return Nets()

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        return PreviewAnswer(order.content, "image/png", 64, 48, "echo-1", 0.01)


class Flat:
    """A hundred iterations at the output's size, on a machine that does 1 MP·it/s for $36 an hour."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        speeds = {"farm-texture": Speed(rate_inf=1.0, p_half=0, measured_at=1.0)}
        machine = Accelerator(
            name="cpu-2", kind="cpu", speeds=speeds, memory_gb=8, usd_per_hour=36, startup_seconds=0
        )
        self._pools = [Pool(name="local", accelerator=machine)]

    def quote(self, job: Job, size: tuple[int, int], /) -> Quote:
        work = footprint([(*job.output.size(size), 100)], "farm-texture")
        return quote(work, self._pools, job.routing, self._clock.now())


@dataclass
class Running:
    """A farm that answers at ``url``."""

    url: str
    queue: MemoryQueue
    folder: Path
    clock: ManualClock

    def jobfile(self, style: str = "name: dots") -> str:
        path = self.folder / "job.yaml"
        text = f"farm: 1\nkind: print\ncontent: cat.png\nstyles: [{{{style}}}]\n"
        path.write_text(text + "output: {long_edge: 100}\n")
        return str(path)


def add_style(models: Path) -> None:
    home = models / "styles" / "dots"
    home.mkdir(parents=True)
    Image.new("RGB", (32, 32), "red").save(home / "style.png")
    sha256 = digest(home / "style.png")
    write_card(
        home, StyleCard(name="dots", title="Dots", sha256=sha256, licence="CC0-1.0", source="us")
    )


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the person's own farm; nothing answers at its address."""
    for name in ("FARM_DEBUG", "FARM_HOST", "FARM_DATABASE", "FARM_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FARM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("FARM_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    clock = ManualClock()
    add_style(tmp_path / "models")
    Image.new("RGB", (64, 48), "blue").save(tmp_path / "cat.png")
    queue = MemoryQueue(clock)
    services = Services(
        queue=queue, store=BlobStore(str(tmp_path / "store")), previews=Echo(), quotes=Flat(clock),
        catalogue=Cards(tmp_path / "models"), tiers=OneProcess(), settings=Settings(), clock=clock,
        meter=NullMeter(), metrics=lambda: b"",
    )  # fmt: skip
    with Served(services) as url:
        monkeypatch.setenv("FARM_URL", url)
        yield Running(url, queue, tmp_path, clock)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of models that the commands use, with one model in it."""
    folder = tmp_path / "models"
    (folder / "tiny").mkdir(parents=True)
    weights = folder / "tiny" / "weights.safetensors"
    weights.write_bytes(b"weights")
    card = ModelCard.model_validate(
        {"name": "tiny", "version": "1", "kind": "extractor", "sha256": digest(weights), "bytes": 7,
         "licence": "Apache-2.0", "created": "2026-05-04T12:00:00Z"}
    )  # fmt: skip
    write_card(folder / "tiny", card)
    return folder


class Served:
    """The gateway's address while the block lasts."""

    def __init__(self, services: Services) -> None:
        config = uvicorn.Config(
            create_app(services),
            log_config=None,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def farm() -> Farm:
    """Run one command line; returns its exit code."""
    return lambda *arguments: main([str(argument) for argument in arguments])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
