"""How much work on previews is under way, and how long a pixel of it takes, as measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_GUESS = 3.4e-7
"""Seconds per pixel until the first answer, as on two cores (docs/benchmarks.md)."""
_JUMP = 4.0
"""An answer counts for at most so many times what it was expected to take: the first one of a process
that has just begun, or one stall, is not how the farm is; several in a row are, and soon believed."""
_MEMORY = 0.9
"""What an answer weighs against the next one: about the last ten of them count."""


class Backlog:
    """Work granted and not answered yet, in pixels of the full net.

    The pace is that of the whole tier, however many replicas and threads it has: pixels answered by
    the time in which any were under way. With one client it includes the way there and back, so that
    work seems dearer than it is; a farm with work to do soon measures better.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._since = now()
        self._orders = 0
        self._busy = self._pixels = 0.0
        self._unpaid = 0.0
        self.pixels = 0.0

    @property
    def seconds_per_pixel(self) -> float:
        """Of the tier while it is busy."""
        return self._busy / self._pixels if self._busy > 0 else FIRST_GUESS

    @property
    def seconds(self) -> float:
        """How long the work under way takes from here."""
        return self.pixels * self.seconds_per_pixel

    @contextmanager
    def of(self, work: float) -> Iterator[None]:
        """Work under way in this block; what ends with an error counts for nothing done."""
        self._tick()
        self._orders += 1
        self.pixels += work
        try:
            yield
            self._tick()
            took = min(self._unpaid, _JUMP * work * self.seconds_per_pixel)
            self._busy = self._busy * _MEMORY + took
            self._pixels = self._pixels * _MEMORY + work
            self._unpaid = 0.0
        finally:
            self._tick()
            self._orders -= 1
            self.pixels = self.pixels - work if self._orders else 0.0
            if not self._orders:
                self._unpaid = 0.0

    def _tick(self) -> None:
        """Take the time since the last look for busy if there was work."""
        now = self._now()
        if self._orders:
            self._unpaid += now - self._since
        self._since = now
