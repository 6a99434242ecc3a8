"""A whole gateway in one process, for tests of whatever talks to it.

Queue, store and meter are the real ones; previews answer with their content, every job costs a cent,
and the catalogue has one style, ``wave``. ``InProcess`` lets a blocking client talk to it without a
socket; ``listening`` gives it one, for streams that must be seen while they are written.
"""

from __future__ import annotations

import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI

from farm.clock import Clock, ManualClock
from farm.errors import FarmError, NotFound, Refused
from farm.gateway.orders import Nets
from farm.gateway.ports import PreviewAnswer, PreviewOrder, Services
from farm.observe import PrometheusMeter
from farm.queue import MemoryQueue
from farm.settings import Settings
from farm.spec import Decision, Job, Option, Quote, parse_job
from farm.spec.farm import Dispatcher, Process
from farm.store import BlobStore

CENT = 0.01


class EchoPreviews:
    """Answers with the content as it came, and remembers what was ordered."""

    def __init__(self) -> None:
        self.orders: list[PreviewOrder] = []
        self.made_by = Nets()

    def nets(self) -> Nets:
        """As set; unknown at first, so that nothing is kept."""
        return self.made_by

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        """The content."""
        self.orders.append(order)
        edge = order.size
        return PreviewAnswer(
            order.content, "image/png", edge, edge, "echo", 0.004, {"model": 0.003},
            weights=self.made_by.weights,
        )  # fmt: skip


class CentQuotes:
    """Every job takes ten seconds and costs a cent."""

    def quote(self, job: Job, size: tuple[int, int], /) -> Quote:
        """A quote at the output's true size."""
        width, height = job.output.size(size)
        option = Option(
            pool="cpu",
            accelerator="cpu",
            p50_seconds=10,
            p90_seconds=20,
            p50_usd=CENT,
            p90_usd=2 * CENT,
        )
        decision = Decision(chosen=option, reason="the only pool")
        return Quote(
            width=width, height=height, iterations=100, megapixel_iterations=1.0, decision=decision
        )


class WaveCatalogue:
    """One style; pictures of one's own need rights."""

    def styles(self) -> list[dict[str, Any]]:
        """The only card."""
        return [self.style("wave")]

    def style(self, name: str, /) -> dict[str, Any]:
        """The only card. Raises NotFound for another name."""
        if name != "wave":
            raise NotFound(f"style: no {name!r} in the catalogue; there is 'wave'.", field="style")
        return {"name": "wave", "title": "The Great Wave", "licence": "CC0-1.0"}

    def style_picture(self, name: str, /) -> bytes:
        """Its picture."""
        self.style(name)
        return blank_png(32, 32)

    def models(self) -> list[dict[str, Any]]:
        """A preview net and a loss network."""
        return [{"name": "echo", "kind": "preview"}, {"name": "farm-texture", "kind": "extractor"}]

    def check_rights(self, job: Job, /) -> None:
        """Refuse pictures without rights and unknown names."""
        for index, style in enumerate(job.styles):
            if style.name is not None:
                self.style(style.name)
            elif style.rights is None:
                field = f"styles.{index}.rights"
                raise Refused(f"{field}: missing; say under which licence you use it.", field=field)


class OneProcess:
    """A farm of a gateway and a dispatcher; ``away`` is what nobody answers with."""

    def __init__(self) -> None:
        self.away: FarmError | None = None

    def version(self) -> str:
        """Always the same."""
        return "0.1.0"

    def processes(self) -> list[Process]:
        """The gateway, and a process of Ray's."""
        self._answer()
        return [
            Process(role="gateway", node="n1", pid=11, memory_mb=100, state="alive"),
            Process(role="ray", node="n1", pid=12, memory_mb=50, name="raylet"),
        ]

    def dispatcher(self) -> Dispatcher:
        """It runs nothing."""
        self._answer()
        return Dispatcher(version="0.1.0", pid=13, running=0)

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away


def wave_job(**changes: Any) -> Job:
    """A print in the style ``wave``, as the queue takes it: its content was never uploaded."""
    base = {
        "farm": 1, "kind": "print", "content": f"sha256:{'0' * 64}", "styles": [{"name": "wave"}],
        "output": {"long_edge": 96},
    }  # fmt: skip
    return parse_job(base | changes)


def in_memory(
    folder: Path,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    previews: Any = None,
) -> Services:
    """Services of which only the blobs touch the disk, under ``folder``."""
    clock = clock or ManualClock()
    meter = PrometheusMeter()
    return Services(
        queue=MemoryQueue(clock),
        store=BlobStore(str(folder)),
        previews=previews or EchoPreviews(),
        quotes=CentQuotes(),
        catalogue=WaveCatalogue(),
        tiers=OneProcess(),
        settings=settings or Settings(home=folder),
        clock=clock,
        meter=meter,
        metrics=meter.exposition,
    )


class InProcess(httpx.BaseTransport):
    """Calls an app in the loop of ``portal``; an answer is handed over when it is complete."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._asgi = httpx.ASGITransport(app=app)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        return self._portal.call(self._exchange, request)

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        whole = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.read()
        )
        answer = await self._asgi.handle_async_request(whole)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The URL of an app served on a free port of loopback, until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # before the server is up: what connects early waits and is not refused
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


def blank_png(width: int, height: int, grey: int = 128) -> bytes:
    """A valid 8-bit RGB PNG of one colour."""
    rows = (b"\0" + bytes([grey]) * 3 * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
