"""One attempt's side of the books: its pace, its project's cap, and what it has cost."""

from __future__ import annotations

from farm.dispatch.desk import Desk
from farm.dispatch.purse import OverCap, Purse, usd_second
from farm.dispatch.tally import Tally
from farm.spec.cost import Pace
from farm.spec.event import Event
from farm.spec.record import Lease
from farm.spec.routing import Decision, Option


class Bookkeeper:
    """Listens to an attempt and says what belongs in the queue's records with its events."""

    def __init__(self, lease: Lease, desk: Desk) -> None:
        self._lease, self._desk = lease, desk
        self._purse = Purse(desk.queue, lease)
        self._tally = Tally(desk.clock)
        self._began = self._kept = desk.clock.now()
        self._option: Option | None = None
        self.over: OverCap | None = None
        """Why the attempt must end with its next checkpoint, if it must."""

    @property
    def seconds(self) -> float:
        """Since the task was claimed."""
        return max(0.0, self._desk.clock.now() - self._began)

    def begin(self, decision: Decision) -> None:
        """The attempt takes that way, unless its project cannot bear it.

        Raises:
            OverCap: it cannot.
        """
        self._option = decision.chosen
        self._purse.begin(self._option)

    def note(self, event: Event) -> None:
        """Hear of an event before it is recorded."""
        self._tally.note(event)

    def pace(self, *, done: bool = False) -> Pace | None:
        """How fast the attempt has gone; at its end with the time beside that, too."""
        stretch = self._tally.stretch
        if self._option is None or stretch is None:
            return None
        found = self._desk.pace(self._lease, self._option, stretch)
        whole = done and self._tally.whole and self._lease.checkpoint is None
        if found is None or not whole or not stretch.share:
            return found
        # Before the first sign of progress some iterations were done, too, at the same pace.
        working = stretch.seconds / stretch.share
        return found.model_copy(update={"beside": max(0.0, self.seconds - working)})

    def checkpointed(self) -> bool:
        """A checkpoint was kept: whether the attempt may go on to its next one."""
        assert self._option is not None
        now = self._desk.clock.now()
        since, self._kept = max(0.0, now - self._kept), now
        try:
            self._purse.go_on(self._option, since, self._tally.left(usd_second(self._option)))
        except OverCap as over:
            self.over = over
        return self.over is None

    def park(self, over: OverCap) -> None:
        """Put the job aside."""
        self._desk.queue.park(self._lease, over.message, over.wanted)

    def bill(self) -> None:
        """Count what the attempt has cost, once the queue has settled it."""
        run = self._desk.queue.run(self._lease.token)
        if run is not None:
            self._desk.meter.count("farm_cost_usd_total", run.usd, pool=run.pool)
