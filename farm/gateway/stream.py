"""A job's event log as Server-Sent Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from farm.gateway.ports import Queue
from farm.spec import Event

HEARTBEAT_SECONDS = 15.0
SHORTEST_WAIT = 0.05
LONGEST_WAIT = 1.0
PAGE = 1000

Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """How long to wait between looks at the queue: short after news, longer the longer it is quiet."""

    def __init__(self) -> None:
        self._wait = SHORTEST_WAIT
        self._silent = 0.0

    def news(self) -> None:
        """Something was sent."""
        self._wait = SHORTEST_WAIT
        self._silent = 0.0

    def next(self) -> float:
        """Seconds to wait now."""
        wait, self._wait = self._wait, min(self._wait * 1.5, LONGEST_WAIT)
        self._silent += wait
        return wait

    @property
    def heartbeat_due(self) -> bool:
        """Whether the connection was silent for so long that a proxy might close it."""
        return self._silent >= HEARTBEAT_SECONDS

    def beat(self) -> None:
        """A heartbeat was sent."""
        self._silent = 0.0


def frame(event: Event) -> bytes:
    """One event: ``id`` is its sequence number, ``event`` its kind, ``data`` its JSON."""
    data: str = event.model_dump_json()
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()


async def frames(
    queue: Queue,
    job_id: str,
    after: int,
    *,
    sleep: Sleep = asyncio.sleep,
    sent: Callable[[int], None] = lambda count: None,
) -> AsyncGenerator[bytes]:
    """Frames from sequence number ``after`` on, until the job has ended and all is told.

    The last frame is ``event: end``: what is cut off before it was cut by accident.

    Args:
        sent: told how many events went out.
    """
    pace = Pace()
    yield b": here\n\n"
    while True:
        # The version before the events: what is written in between is seen on the next look.
        version = await asyncio.to_thread(queue.version)
        while events := await asyncio.to_thread(queue.events, job_id, after, PAGE):
            yield b"".join(frame(event) for event in events)
            after = events[-1].seq
            sent(len(events))
            pace.news()
        record = await asyncio.to_thread(queue.job, job_id)
        if record.state.final and record.seq <= after:
            yield f'event: end\ndata: {{"state": "{record.state}"}}\n\n'.encode()
            return
        moved = False
        # Wait at least once, or the events of a busy farm's other jobs would make this spin.
        while not moved:
            await sleep(pace.next())
            if pace.heartbeat_due:
                pace.beat()
                yield b": alive\n\n"
            moved = await asyncio.to_thread(queue.version) != version
