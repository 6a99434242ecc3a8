"""What the gateway needs of the queue's books, and the rule by which a job is let in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from farm.queue import Offer
from farm.route import caps
from farm.spec import Quote
from farm.spec.cost import Account, CostLine, Grouping, JobCost, Period, Quoted, RunCost, Wait


class Accounts(Protocol):
    """Caps, quotes against what was spent, and waits."""

    def set_cap(self, name: str, cap_usd: float | None, period: Period = "month") -> Account:
        """Set what a project may spend. Raises InvalidInput."""
        ...

    def account(self, project: str) -> Account:
        """What a project may spend, has spent and has promised."""
        ...

    def accounts(self) -> Sequence[Account]:
        """The same of every project."""
        ...

    def cost(self, job_id: str) -> JobCost:
        """A job's quote against what it took. Raises NotFound."""
        ...

    def runs(self, job_id: str) -> Sequence[RunCost]:
        """The same of each of its attempts. Raises NotFound."""
        ...

    def costs(
        self,
        by: Grouping,
        *,
        first: float | None = None,
        last: float | None = None,
        project: str | None = None,
        tag: tuple[str, str] | None = None,
    ) -> Sequence[CostLine]:
        """Costs of attempts summed up, of the days between two moments."""
        ...

    def waits(self, since: float, limit: int = 10_000) -> Sequence[Wait]:
        """How long people waited for jobs accepted since then."""
        ...


def offer_of(quote: Quote) -> Offer:
    """A quote as what is reserved for a job, if its project can bear that."""
    chosen = quote.decision.chosen
    quoted = Quoted(
        pool=chosen.pool,
        p50_seconds=chosen.p50_seconds,
        p90_seconds=chosen.p90_seconds,
        p50_usd=chosen.p50_usd,
        p90_usd=chosen.p90_usd,
        megapixel_iterations=quote.megapixel_iterations,
    )
    return Offer(quoted, caps.accept)
