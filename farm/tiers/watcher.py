"""One actor on every node: it hears of the node's end, and sees to the end of its processes."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil
import ray

from farm.clock import SystemClock
from farm.dispatch.memory_kills import memory_kills
from farm.dispatch.notice import Notice, first
from farm.dispatch.notice_clouds import sources
from farm.settings import Settings

RANK_TITLE = "ray::PrintRank"
"""What Ray calls the process of a rank; only such are ever ended."""
FAREWELL_SECONDS = 1.0
"""Ray ends a process that is told to; one that does not go by then is killed."""


def bury(pids: list[int]) -> list[int]:
    """End ranks of this machine; those that are still there, which nothing but a stuck kernel keeps."""
    left = [process for pid in pids if (process := _rank(pid))]
    for wait in (FAREWELL_SECONDS, FAREWELL_SECONDS):
        _, left = psutil.wait_procs(left, timeout=wait)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    return [process.pid for process in left if _rank(process.pid)]


def is_running(pid: int, started: float) -> bool:
    """Whether the process of that number is there, and is the one that began then."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1.0 and not _is_zombie(process)
    except psutil.Error:
        return False


def _rank(pid: int) -> psutil.Process | None:
    """The rank of that number. Numbers are used again, so another process may have it by now."""
    try:
        process = psutil.Process(pid)
        title = " ".join(process.cmdline()[:1])
        return process if title.startswith(RANK_TITLE) and not _is_zombie(process) else None
    except psutil.Error:
        return None


def _is_zombie(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_ZOMBIE)


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)
class NodeWatcher:
    """The functions above, on its own node. It belongs to its dispatcher and ends with it."""

    def __init__(self, settings: Settings) -> None:
        self._node = ray.get_runtime_context().get_node_id()
        self._sources = sources(settings, SystemClock(), self._node)

    def look(self) -> Notice | None:
        """The notice that this node goes away, None while there is none."""
        return first(self._sources)

    def bury(self, pids: list[int]) -> list[int]:
        """As the function."""
        return bury(pids)

    def is_running(self, pid: int, started: float) -> bool:
        """As the function."""
        return is_running(pid, started)

    def memory_kills(self) -> int:
        """Processes killed for memory so far."""
        return memory_kills()

    def pid(self) -> int:
        """Its process."""
        return os.getpid()
