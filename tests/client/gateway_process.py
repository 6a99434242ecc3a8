"""A gateway in a process of its own, on a SQLite queue, to be killed; run as ``… PORT FOLDER``."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx

from farm.clock import SystemClock
from farm.queue import SqlQueue, open_queue


def opened(folder: Path) -> SqlQueue:
    """The queue that the gateway of this folder serves."""
    return open_queue(f"sqlite:///{folder / 'farm.db'}", SystemClock())


class GatewayProcess:
    """A gateway that can be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = quiet_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        command = [sys.executable, __file__, str(self._port), str(self._folder)]
        self._process = subprocess.Popen(command)
        until(self._answers)

    def kill(self) -> None:
        """SIGKILL: no connection is closed in an orderly way."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the gateway did not start"
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False


def quiet_port() -> int:
    """A free port that no outgoing connection is given while the gateway is away."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def until(holds: Callable[[], bool]) -> None:
    """Poll; real processes take a moment."""
    last = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < last, "it never came to hold"
        time.sleep(0.02)


def serve(port: int, folder: Path) -> None:
    """The process itself."""
    import uvicorn

    from farm.gateway import create_app
    from farm.gateway.testing import in_memory

    services = replace(in_memory(folder / "store", clock=SystemClock()), queue=opened(folder))
    uvicorn.run(create_app(services), port=port, log_level="error", lifespan="off", ws="none")


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
