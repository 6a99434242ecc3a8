"""How much memory a command and all it started use at their peak."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

PERIOD_SECONDS = 1.0


class MemoryWatch:
    """Samples this process and its children.

    ``peak`` is in bytes; pages that processes share are divided between them.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._halt.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._halt.wait(PERIOD_SECONDS):
            self.peak = max(self.peak, family_memory(psutil.Process()))


def family_memory(process: psutil.Process) -> int:
    """Proportional memory of a process and everything below it, in bytes."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except (psutil.Error, AttributeError):
            continue
    return total
