"""A farm as people run it: ``farm up`` in a process of its own. All of its processes can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from gateway_process import quiet_port

KILL_AT = "kill-at"
START_SECONDS = 150.0
END_SECONDS = 60.0
RANK, DISPATCHER = "ray::PrintRank", "ray::DispatcherActor"
GATEWAY, PROXY = "ray::ServeReplica:farm:Gateway", "ray::ProxyActor"
CONTROLLER = "ray::ServeController"
"""What Ray calls the processes."""


class Farm:
    """A farm with a home, ports and an environment of its own, which outlives its processes.

    Args:
        changes: variables on top, such as ``FARM_DATABASE``.
    """

    def __init__(self, home: Path, models: Path, changes: Mapping[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.kill_at = home, home / KILL_AT
        port = quiet_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {key: text for key, text in os.environ.items() if not key.startswith(("FARM_", "RAY_"))}
        self.environment = {
            **own,
            "FARM_HOME": str(home), "FARM_MODELS": str(models), "FARM_PORT": str(port),
            "FARM_DASHBOARD_PORT": str(quiet_port()), "FARM_LEASE_SECONDS": "8",
            "FARM_LEASE_GRACE_SECONDS": "2", "FARM_SILENCE_SECONDS": "6", "FARM_LINGER_SECONDS": "5",
            "FARM_KILL_AT": f"@{self.kill_at}", "OMP_WAIT_POLICY": "PASSIVE", **changes,
        }  # fmt: skip
        self.log = home / "up.log"
        self._known: set[psutil.Process] = set()
        self._children: list[subprocess.Popen[str]] = []
        self._up: subprocess.Popen[str] | None = None

    def up(self) -> None:
        """Start it; returns when it answers."""
        with self.log.open("a", encoding="utf-8") as log:
            self._up = self.spawn([sys.executable, "-m", "farm.cli", "up"], stderr=log, stdout=log)
        until(self._answers, START_SECONDS, "the farm to come up")
        self.family()

    def spawn(self, command: list[str], **options: object) -> subprocess.Popen[str]:
        """Start a process of the farm's, in its environment."""
        child: subprocess.Popen[str] = subprocess.Popen(
            command, env=self.environment, text=True, start_new_session=True,
            **{"stdin": subprocess.DEVNULL, **options},  # type: ignore[call-overload]
        )  # fmt: skip
        self._children.append(child)
        return child

    @property
    def is_up(self) -> bool:
        """Whether ``farm up`` runs."""
        return self._up is not None and self._up.poll() is None

    def family(self) -> set[psutil.Process]:
        """All processes of the farm that live.

        They carry its home in their environment, are descended from one that does, or were seen so
        before: Ray's workers overwrite theirs with a title, and may outlive their parents.
        """
        parents: dict[psutil.Process, int] = {}
        mine = {process for process in self._known if process.is_running()}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                parents[process] = process.ppid()
                if process.environ().get("FARM_HOME") == str(self.home):
                    mine.add(process)
        while True:
            pids = {process.pid for process in mine}
            more = {process for process, parent in parents.items() if parent in pids} - mine
            if not more:
                break
            mine |= more
        self._known = {process for process in mine if _lives(process)}
        return set(self._known)

    def pids(self, title: str) -> list[int]:
        """Processes of the farm that Ray calls so, the newest last."""
        found: list[psutil.Process] = []
        for process in self.family():
            with suppress(psutil.Error):
                if " ".join(process.cmdline()[:1]).startswith(title):
                    found.append(process)
        return [process.pid for process in sorted(found, key=lambda each: each.create_time())]

    def kill(self) -> None:
        """SIGKILL of every process, until none is left: what dies takes others along only later."""
        until(self._killed, END_SECONDS, "every process to die")
        self._reap()

    def kill_up(self) -> None:
        """SIGKILL of ``farm up`` alone. A Ray of its own dies of it, a cluster does not."""
        assert self._up is not None
        self._up.kill()
        self._up.wait()

    def down(self) -> None:
        """As ``farm down`` does it; what is left after is killed."""
        try:
            if self._up is not None and self.is_up:
                self._up.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._up.wait(END_SECONDS)
        finally:
            self.kill()

    def last_words(self) -> str:
        """The end of what ``farm up`` wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def _killed(self) -> bool:
        left = self.family()
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        self._reap()
        return not left

    def _reap(self) -> None:
        for child in self._children:
            child.poll()
        self._children = [child for child in self._children if child.returncode is None]

    def _answers(self) -> bool:
        assert self._up is not None
        assert self._up.poll() is None, f"'farm up' ended: {self.last_words()}"
        try:
            facts = json.loads((self.home / "farm.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(facts["pid"] == self._up.pid)


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll; real processes take their time."""
    last = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > last:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
