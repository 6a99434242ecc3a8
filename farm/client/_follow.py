"""Following a job's events over connections that break: what to ask for, what to give up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import httpx
from httpx_sse import ServerSentEvent
from pydantic import ValidationError

from farm.client._protocol import Call, error_of, segment
from farm.errors import Busy, Unavailable, Unreachable
from farm.spec import Event, parse_event

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as dead: three heartbeats."""

Away = Callable[[Unreachable | None], None]
"""Told why when the farm has gone away, and ``None`` when it is back."""

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 5.0
_SETTLED = 10.0


class Follower:
    """Where a reader of a job's events stands; it has no I/O and no clock of its own.

    The last sequence number seen is what a new connection begins behind, so no event is lost, and
    what comes twice is dropped by the same number. A farm that has gone away is waited for, with
    pauses that grow to five seconds.

    Args:
        until: the time at which following ends, whatever has happened.
        away: told once when the farm does not answer any more, and once when it does again.
    """

    def __init__(
        self, job_id: str, after: int, *, until: float = math.inf, away: Away | None = None
    ) -> None:
        self._job_id = job_id
        self._last = after
        self._until = until
        self._away = away or (lambda why: None)
        self._gone = False
        self._delay = _FIRST_DELAY
        self._since: float | None = None
        self.ended = False

    def call(self) -> Call:
        """The request for what comes next."""
        headers = {
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            "Last-Event-ID": str(self._last),
        }
        return Call("GET", f"/v1/jobs/{segment(self._job_id)}/events", headers=headers)

    def connected(self, answer: httpx.Response, now: float) -> None:
        """Look at how the farm answered.

        Raises:
            Unreachable: it does not work just now; try again.
            FarmError: it refused, and will do so again.
        """
        if not answer.is_success:
            error = error_of(answer)
            if isinstance(error, Busy | Unavailable):
                raise Unreachable(error.message) from error
            raise error
        self._since = now
        if self._gone:
            self._gone = False
            self._away(None)

    def silence(self, now: float) -> float:
        """Seconds without a byte after which the connection is given up."""
        return max(0.1, min(SILENCE, self._until - now))

    def take(self, frame: ServerSentEvent) -> Event | None:
        """The event in a frame; None for one seen before, a heartbeat, the end mark, a kind too new."""
        if frame.event == "end":
            self.ended = True
            return None
        # A heartbeat is a comment, which httpx-sse hands out as an empty event once ids were seen.
        event = _event(frame.data) if frame.data else None
        if event is None or event.seq <= self._last:
            return None
        self._last = event.seq
        self._delay = _FIRST_DELAY
        return event

    def check(self, now: float) -> None:
        """Look at the time, after every frame.

        Raises:
            TimeoutError: it is up.
        """
        if now >= self._until and not self.ended:
            raise TimeoutError(f"job {self._job_id} has not ended in time; it goes on by itself.")

    def dropped(self, error: Unreachable, now: float) -> float:
        """Seconds to wait before the next connection.

        Raises:
            Unreachable: the time is up, and the farm does not answer.
            TimeoutError: the time is up, and the farm answered until just now.
        """
        answered, self._since = self._since, None
        if answered is not None:
            self.check(now)
            # One that held for a while was a good one, though its job was quiet; one that breaks
            # at once, again and again, is not.
            if now - answered >= _SETTLED:
                self._delay = _FIRST_DELAY
        elif now >= self._until:
            raise Unreachable(
                f"{error.message.rstrip('.')}; the job goes on: 'farm watch {self._job_id}' comes "
                "back to it."
            ) from error
        elif not self._gone:
            # A single connection that breaks is no news; one that cannot be made again is.
            self._gone = True
            self._away(error)
        delay, self._delay = self._delay, min(self._delay * 2, _LONGEST_DELAY)
        return min(delay, self._until - now)


def cut_short(url: str) -> Unreachable:
    """A stream that ended without its end mark."""
    return Unreachable(f"url: {url} closed the stream of events early; look at 'farm status'.")


def _event(data: str) -> Event | None:
    try:
        return parse_event(json.loads(data))
    except ValidationError:
        return None  # a newer farm may tell of things that this client has no type for
