"""Crews whose work is done, kept for a while for the next attempt of their size.

Starting processes and loading torch takes seconds, which a short print would feel.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from time import monotonic

from farm.errors import FarmError
from farm.tiers.crew import Crew

ANSWER_SECONDS = 5.0
log = logging.getLogger(__name__)


class IdleCrews:
    """What waits for work.

    They hold their places in Ray meanwhile, so a gang of another size has to send them away first.

    Args:
        seconds: how long each may wait.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._waiting: list[tuple[Crew, float]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, crew: Crew) -> None:
        """Keep it, or end it where none is to wait."""
        if not self._seconds:
            crew.end()
            return
        with self._lock:
            self._waiting.append((crew, self._clock()))

    def take(self, pool: str, size: int, avoid: Collection[str]) -> Crew | None:
        """The newest that fits and still answers; those that do not are ended."""
        while crew := self._taken(pool, size, avoid):
            try:
                crew.prepare(ANSWER_SECONDS)
            except (FarmError, RuntimeError) as error:
                log.warning("a print process that waited for work is gone: %s", error)
                crew.end()
            else:
                return crew
        return None

    def keep(self, seconds: float) -> None:
        """Let all go on waiting for so long; without another word their processes end then."""
        with self._lock:
            waiting = [crew for crew, _ in self._waiting]
        for crew in waiting:
            for rank in crew.ranks:
                rank.keep.remote(seconds)

    def tend(self, leaving: Collection[str]) -> None:
        """End those that have waited for long enough, and those on machines that go away."""
        now = self._clock()
        self._end(lambda crew, since: now - since >= self._seconds or crew.node in leaving)

    def make_room(self, pool: str) -> None:
        """End those of a pool."""
        self._end(lambda crew, _since: crew.pool == pool)

    def close(self) -> None:
        """End all; from now on none is kept."""
        self._seconds = 0.0
        self._end(lambda _crew, _since: True)

    def _taken(self, pool: str, size: int, avoid: Collection[str]) -> Crew | None:
        with self._lock:
            for number, (crew, _) in reversed(list(enumerate(self._waiting))):
                if (crew.pool, crew.size) == (pool, size) and crew.node not in avoid:
                    del self._waiting[number]
                    return crew
        return None

    def _end(self, doomed: Callable[[Crew, float], bool]) -> None:
        with self._lock:
            going = [crew for crew, since in self._waiting if doomed(crew, since)]
            self._waiting = [each for each in self._waiting if each[0] not in going]
        for crew in going:
            crew.end()
