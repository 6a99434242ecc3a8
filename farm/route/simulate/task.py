"""A task of the simulation: what it was ordered as, how far it is, and its present run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.route.simulate.world import Place


class Task:
    """One order that is not done yet."""

    __slots__ = (
        "accepted", "began", "budget", "due", "index", "interval", "lead", "left", "metered",
        "moved", "place", "project", "reserved", "save", "saving", "slot", "spent", "spot", "total",
        "until", "version", "waits_for", "way", "work",
    )  # fmt: skip

    def __init__(
        self, index: int, work: int, project: int, due: float, budget: float, spot: bool
    ) -> None:
        self.index, self.work, self.project = index, work, project
        self.due, self.budget, self.spot = due, budget, spot
        self.left = 1.0
        """Share of the work that no checkpoint has yet."""
        self.spent, self.reserved = 0.0, 0.0
        """USD that its runs have cost, and that its project holds for it."""
        self.accepted = False
        """Whether its project has promised what it may cost."""
        self.version = 0
        """Counts its runs and waits: what was planned for an earlier one is void."""
        self.moved = False
        """Whether it has left spot capacity for good."""
        self.slot, self.waits_for = 0, 0.0
        self.place: Place
        """What it waits for, while it is in the queue of a pool."""
        # Of the present run: the way, when it began, the meter then, seconds until the first iteration,
        # productive seconds of the whole work, between checkpoints, and of a checkpoint.
        self.way, self.began, self.metered, self.lead = -1, 0.0, 0.0, 0.0
        self.total, self.interval, self.save = 0.0, 0.0, 0.0
        self.until = 0.0
        """When the present run was expected to end when it began."""
        self.saving = 0.0
        """Productive seconds that the checkpoint holds that it takes before it moves."""

    def kept(self, now: float) -> float:
        """Productive seconds of the present run that checkpoints hold if it ends here."""
        worked = now - self.began - self.lead
        if worked <= 0:
            return 0.0
        return min(worked // (self.interval + self.save) * self.interval, self.left * self.total)

    def done(self, now: float) -> float:
        """Productive seconds of the present run until ``now``, in a checkpoint or not."""
        worked = max(0.0, now - self.began - self.lead)
        saves = worked // (self.interval + self.save)
        return min(worked - saves * self.save, self.left * self.total)

    def ends(self) -> float:
        """When the present run ends if nothing disturbs it."""
        rest = self.left * self.total
        saves = max(0, -int(-rest // self.interval) - 1)
        return self.began + self.lead + rest + saves * self.save
