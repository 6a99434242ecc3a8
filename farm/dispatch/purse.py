"""What a project's cap means for one attempt: whether it may begin, and go on from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from farm.dispatch.ports import Queue
from farm.errors import FarmError
from farm.route import caps
from farm.route.cost import P90_MEASURED
from farm.route.footprint import CHECKPOINT_SECONDS
from farm.spec.record import Lease
from farm.spec.routing import Option
from farm.spec.words import money


class OverCap(FarmError):
    """The job's project cannot bear it now; ``wanted`` dollars would let it go on."""

    def __init__(self, message: str, wanted: float) -> None:
        super().__init__(message)
        self.wanted = wanted


@dataclass(frozen=True)
class Purse:
    """The project's side of an attempt."""

    queue: Queue
    lease: Lease

    def begin(self, option: Option) -> None:
        """Let the attempt begin that way.

        Raises:
            OverCap: its project has spent too much.
        """
        account = self.queue.account(self.lease.spec.project)
        if account.cap_usd is None:
            return
        if not caps.begins(account, self.queue.cost(self.lease.job).reserved_usd):
            raise self._over(option.p90_usd)

    def go_on(self, option: Option, seconds: float, left: float | None) -> None:
        """Let the attempt go on to its next checkpoint.

        Args:
            seconds: since the last one.
            left: dollars that the rest will cost, where that can be told.

        Raises:
            OverCap: its project has spent what it may.
        """
        rest = option.p90_usd if left is None else left * P90_MEASURED
        interval = max(seconds, option.checkpoint_seconds or CHECKPOINT_SECONDS)
        step = min(rest, interval * usd_second(option))
        if not self.queue.hold(self.lease, step, caps.goes_on):
            raise self._over(rest)

    def _over(self, wanted: float) -> OverCap:
        project = self.lease.spec.project
        standing = caps.standing(self.queue.account(project))
        return OverCap(
            f"project {project} {standing}; the job goes on from its checkpoint when {money(wanted)} "
            f"are free, as after 'farm project set {project} --cap USD'.",
            wanted,
        )


def usd_second(option: Option) -> float:
    """What a second of that way costs, all its accelerators together."""
    if option.usd_per_hour is not None:
        return option.usd_per_hour / 3600
    return option.p50_usd / option.p50_seconds if option.p50_seconds else 0.0
