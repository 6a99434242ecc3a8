"""One wait on the queue for all event streams of this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol

from farm.errors import FarmError

log = logging.getLogger("farm.gateway")

WAIT_SECONDS = 1.0
"""How long one wait lasts; a notification that the database dropped costs at most this."""


class Waitable(Protocol):
    """The part of the queue that says when something was written."""

    def version(self) -> int:
        """A number that changes when any event of any job was appended."""
        ...

    def wait(self, version: int, timeout: float) -> int:
        """The version once it is another one, or after ``timeout`` seconds."""
        ...


class Listener:
    """A stream's bell: it rings after every write, and keeps ringing until it is cleared."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    @property
    def rung(self) -> bool:
        """Whether it has rung since it was cleared."""
        return self._rung.is_set()

    def ring(self) -> None:
        """Something was written."""
        self._rung.set()

    def clear(self) -> None:
        """Begin to listen anew; whatever is written from now on rings."""
        self._rung.clear()

    async def wait(self, at_least: float, at_most: float) -> None:
        """Until it rings, but for ``at_least`` and at most ``at_most`` seconds."""
        clock = asyncio.get_running_loop().time
        began = clock()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), at_most)
        left = at_least - (clock() - began)
        if left > 0:
            await asyncio.sleep(left)


class News:
    """Rings the bell of every stream when the queue's version changes.

    One thread waits, however many streams there are, and none while there are none.
    """

    def __init__(self, queue: Waitable) -> None:
        self._queue = queue
        self._listeners: set[Listener] = set()
        self._waiting: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether the queue is being waited for."""
        return self._waiting is not None and not self._waiting.done()

    @contextmanager
    def listener(self) -> Iterator[Listener]:
        """A bell for as long as the context lasts."""
        bell = Listener()
        self._listeners.add(bell)
        if not self.busy:
            self._waiting = asyncio.create_task(self._wait())
        try:
            yield bell
        finally:
            self._listeners.discard(bell)

    async def _wait(self) -> None:
        # A thread of its own: the pool that answers requests must not lose one to waiting.
        thread = ThreadPoolExecutor(1, "news")
        version: int | None = None
        try:
            while self._listeners:
                newer = await asyncio.get_running_loop().run_in_executor(thread, self._next, version)
                # The first version rings, too: what was written before it was read may be unseen.
                if newer != version:
                    self._ring()
                version = newer
        finally:
            thread.shutdown(wait=False)

    def _next(self, version: int | None) -> int | None:
        try:
            return self._queue.version() if version is None else self._queue.wait(version, WAIT_SECONDS)
        except FarmError as error:
            log.warning("the queue cannot be waited for: %s", error)
            time.sleep(WAIT_SECONDS)
            return None

    def _ring(self) -> None:
        for listener in self._listeners:
            listener.ring()
