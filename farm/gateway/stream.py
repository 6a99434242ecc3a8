"""A job's event log as Server-Sent Events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from farm.gateway.ports import Queue
from farm.spec import Event

HEARTBEAT_SECONDS = 15.0
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
RECONNECT_MS = 1000
PAGE = 1000


class Bell(Protocol):
    """Says when to look at the queue again."""

    def clear(self) -> None:
        """Begin to listen anew."""
        ...

    async def wait(self, at_least: float, at_most: float) -> None:
        """Until something was written, within these bounds in seconds."""
        ...


class Pace:
    """The shortest time between two looks at the queue: longer the more of them were in vain.

    A quiet job on a busy farm is woken by every other job's events; they must not make it spin.
    """

    def __init__(self) -> None:
        self._pause = SHORTEST_PAUSE

    def news(self) -> None:
        """Something was sent."""
        self._pause = SHORTEST_PAUSE

    def next(self) -> float:
        """Seconds to wait now, at least."""
        pause, self._pause = self._pause, min(self._pause * 1.5, LONGEST_PAUSE)
        return pause


def frame(event: Event) -> bytes:
    """One event: ``id`` is its sequence number, ``event`` its kind, ``data`` its JSON."""
    data: str = event.model_dump_json()
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()


def greeting(after: int) -> bytes:
    """The first frame. Its id lets readers notice heartbeats before the first event came."""
    return f": here\nretry: {RECONNECT_MS}\nid: {after}\n\n".encode()


async def frames(
    queue: Queue,
    job_id: str,
    after: int,
    bell: Bell,
    *,
    now: Callable[[], float] = time.monotonic,
    sent: Callable[[int], None] = lambda count: None,
) -> AsyncGenerator[bytes]:
    """Frames from sequence number ``after`` on, until the job has ended and all is told.

    The last frame is ``event: end``: what is cut off before it was cut by accident.

    Args:
        now: seconds of a clock that never goes back.
        sent: told how many events went out.
    """
    pace, spoke = Pace(), now()
    yield greeting(after)
    while True:
        # Cleared before the look: what is written in between rings for the next one.
        bell.clear()
        while events := await asyncio.to_thread(queue.events, job_id, after, PAGE):
            yield b"".join(frame(event) for event in events)
            after, spoke = events[-1].seq, now()
            sent(len(events))
            pace.news()
        record = await asyncio.to_thread(queue.job, job_id)
        if record.state.final and record.seq <= after:
            yield f'event: end\ndata: {{"state": "{record.state}"}}\n\n'.encode()
            return
        if now() - spoke >= HEARTBEAT_SECONDS:
            # Silent for so long that a proxy might close the connection.
            yield b": alive\n\n"
            spoke = now()
        await bell.wait(pace.next(), spoke + HEARTBEAT_SECONDS - now())
