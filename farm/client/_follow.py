"""Following a job's events over connections that break: what to ask for, what to give up."""

from __future__ import annotations

import json

import httpx
from httpx_sse import ServerSentEvent
from pydantic import ValidationError

from farm.client._protocol import Call, error_of, segment
from farm.errors import Busy, Unavailable, Unreachable
from farm.spec import Event, parse_event

PATIENCE = 120.0
"""Seconds spent waiting for a farm that went away, after which following gives up."""

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as dead: three heartbeats."""

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_SETTLED = 10.0


class Follower:
    """Where a reader of a job's events stands; it has no I/O and no clock of its own.

    The last sequence number seen is what a new connection begins behind, so no event is lost, and
    what comes twice is dropped by the same number.
    """

    def __init__(self, job_id: str, after: int) -> None:
        self._job_id = job_id
        self._last = after
        self._waited = 0.0
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
        self._waited, self._delay = 0.0, _FIRST_DELAY
        return event

    def dropped(self, error: Unreachable, now: float) -> float:
        """Seconds to wait before the next connection.

        Raises:
            Unreachable: patience is at its end.
        """
        # A connection that held for a while was a good one, though its job was quiet; one that
        # breaks at once, again and again, is not.
        if self._since is not None and now - self._since >= _SETTLED:
            self._waited, self._delay = 0.0, _FIRST_DELAY
        self._since = None
        if self._waited >= PATIENCE:
            raise Unreachable(
                f"{error.message.rstrip('.')}; gave up after {PATIENCE:.0f} s, and the job goes on: "
                f"'farm watch {self._job_id}' comes back to it."
            ) from error
        delay, self._delay = self._delay, min(self._delay * 2, _LONGEST_DELAY)
        self._waited += delay
        return delay


def cut_short(url: str) -> Unreachable:
    """A stream that ended without its end mark."""
    return Unreachable(f"url: {url} closed the stream of events early; look at 'farm status'.")


def _event(data: str) -> Event | None:
    try:
        return parse_event(json.loads(data))
    except ValidationError:
        return None  # a newer farm may tell of things that this client has no type for
