"""A client that follows a job through whatever happens, as one on another machine would."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from farm import Client
from farm.client.handle import JobHandle
from farm.errors import Busy, Unavailable, Unreachable

Seen = list[Any]
AWAY = (Unreachable, Unavailable, Busy)
"""What a farm that is away for a moment answers, if it does."""


class Watch(threading.Thread):
    """The stream of one job's events, in a thread, from the first to the last.

    Args:
        strength: what was asked for, which the picture follows from.
        patience: seconds after which it is given up.
    """

    def __init__(self, url: str, job_id: str, strength: float, patience: float) -> None:
        super().__init__(name=f"watch {job_id}", daemon=True)
        self.id, self.strength, self._url, self._patience = job_id, strength, url, patience
        self.events: Seen = []
        self.came: list[float] = []
        self.failure = ""
        self._news = threading.Condition()
        self._over = False

    def run(self) -> None:
        """Follow to the job's end; what goes wrong is kept."""
        try:
            with Client(self._url) as client:
                for event in JobHandle(client, self.id).events(timeout=self._patience):
                    with self._news:
                        self.events.append(event)
                        self.came.append(time.time())
                        self._news.notify_all()
        except Exception as error:  # noqa: BLE001 - the round tells of it
            self.failure = f"{type(error).__name__}: {error}"
        with self._news:
            self._over = True
            self._news.notify_all()

    @property
    def over(self) -> bool:
        """Whether its stream has ended."""
        return self._over

    def wait(self, holds: Callable[[Seen], bool], seconds: float) -> bool:
        """Wait until something holds of the events so far; False once it cannot any more."""
        with self._news:
            self._news.wait_for(lambda: self._over or holds(self.events), seconds)
            return holds(self.events)

    @property
    def attempt(self) -> int:
        """The newest attempt that has started."""
        return max((event.attempt for event in self.events if event.kind == "started"), default=0)

    @property
    def node(self) -> str:
        """Where that one runs."""
        return str(next((e.node for e in reversed(self.events) if e.kind == "started"), ""))

    def next_progress(self, after: float, attempt: int) -> float | None:
        """Seconds from ``after`` to the first progress, or the end, of that attempt or a later one."""
        for came, event in zip(self.came, self.events, strict=True):
            counts = event.kind == "done" or (event.kind == "progress" and event.attempt >= attempt)
            if counts and min(came, event.at) > after:
                return came - after
        return None


def order(url: str, spec: dict[str, Any], job_id: str, seconds: float) -> None:
    """Hand a job in, again and again until the farm has said that it has it.

    Raises:
        TimeoutError: it does not say so in time.
    """
    last = time.monotonic() + seconds
    while True:
        try:
            with Client(url) as client:
                client.submit(spec, id=job_id)
        except AWAY as error:
            if time.monotonic() > last:
                raise TimeoutError(f"{job_id} was not accepted in {seconds:.0f} s") from error
            time.sleep(0.5)
        else:
            return
