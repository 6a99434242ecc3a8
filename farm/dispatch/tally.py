"""How far an attempt has come and how long that took, as its events tell."""

from __future__ import annotations

from dataclasses import dataclass

from farm.clock import Clock
from farm.route.observed import Mark
from farm.spec.event import Adjusted, Event, Progress


@dataclass(frozen=True)
class Stretch:
    """What an attempt did between its first sign of progress and its last.

    Args:
        since, until: scale, from 1, and iteration of both.
        share: of the whole work, done in between.
        seconds: that it took.
    """

    since: Mark
    until: Mark
    share: float
    seconds: float


class Tally:
    """Listens to one attempt's events.

    Time is counted event by event and never backwards, so that a clock that jumps back makes nothing
    look fast. What goes back to a checkpoint with other settings is looked at anew from there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: Progress | None = None
        self._last: Progress | None = None
        self._looked = clock.now()
        self._seconds = 0.0
        self.whole = True
        """Whether it began at the beginning and was never changed on the way."""

    @property
    def share(self) -> float:
        """Of the whole work, done so far, by this attempt or those before it."""
        return self._last.share if self._last else 0.0

    def note(self, event: Event) -> None:
        """Hear of an event as it comes."""
        now = self._clock.now()
        step, self._looked = max(0.0, now - self._looked), now
        if isinstance(event, Adjusted):
            self._first = self._last = None
            self.whole = False
        if self._first is not None:
            self._seconds += step
        if not isinstance(event, Progress):
            return
        if self._first is None:
            self._first, self._seconds = event, 0.0
        self._last, self._until = event, self._seconds

    @property
    def stretch(self) -> Stretch | None:
        """What was done and how long it took; None before there are two signs of progress."""
        first, last = self._first, self._last
        if first is None or last is None or first is last:
            return None
        return Stretch(
            (first.scale, first.iteration), (last.scale, last.iteration), last.share - first.share,
            self._until,
        )  # fmt: skip

    def left(self, usd_second: float) -> float | None:
        """What the rest will cost at that price, by what was seen; None where nothing was."""
        stretch = self.stretch
        if stretch is None or stretch.share <= 0:
            return None
        return (1 - self.share) * stretch.seconds / stretch.share * usd_second
