"""A queue that lives as long as its process: for tests, with the rules of the real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farm.clock import Clock
from farm.errors import InvalidInput
from farm.queue.memory_rows import Kept, MemoryRows
from farm.queue.queue import Queue
from farm.queue.rows import Rows


class MemoryQueue(Queue):
    """Rows in dictionaries behind one lock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._news = threading.Condition()
        self._kept = Kept()

    def wait(self, version: int, timeout: float) -> int:
        """Wait for an event of any job."""
        with self._news:
            self._news.wait_for(lambda: self._kept.version != version, timeout)
            return self._kept.version

    def backup(self, path: Path) -> None:
        """Nothing here lasts.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("database: this queue is in memory; only one in a database can be copied.")

    def close(self) -> None:
        """Nothing to let go of."""

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Rows]:
        with self._news:
            rows = MemoryRows(self._kept)
            yield rows
            if write and rows.commit():
                self._news.notify_all()
