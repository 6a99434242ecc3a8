"""What was quoted, reserved and spent, as a database keeps it; amounts in millionths of a dollar."""

from __future__ import annotations

from dataclasses import dataclass, replace

from farm.queue.money import dollars, micros
from farm.spec.cost import Account, JobCost, Pace, Period, Quoted, RunCost


@dataclass(frozen=True, slots=True)
class CapRow:
    """What a project may spend in each period, and what it has promised to its open jobs."""

    project: str
    cap: int | None = None
    period: Period = "month"
    reserved: int = 0

    def account(self, spent: int) -> Account:
        """The account as callers see it, with what was spent in the current period."""
        return Account(
            project=self.project,
            cap_usd=None if self.cap is None else dollars(self.cap),
            period=self.period,
            spent_usd=dollars(spent),
            reserved_usd=dollars(self.reserved),
        )


@dataclass(frozen=True, slots=True)
class CostRow:
    """What a job was quoted, holds of its project's cap, and has spent.

    ``reserved`` is what it has not spent yet of what was reserved for it; ``wanted`` what it would
    have to reserve anew to go on after it was parked; ``final`` the token of the attempt that ended it.
    """

    job: str
    project: str
    feature: str
    quoted: str | None = None
    p50: int | None = None
    p90: int | None = None
    reserved: int = 0
    spent: int = 0
    seconds: float = 0.0
    final: int | None = None
    parked: str = ""
    wanted: int = 0

    def with_quote(self, quoted: Quoted) -> CostRow:
        """The same with a quote, and nine of ten times enough reserved for it."""
        p50, p90 = micros(quoted.p50_usd), micros(quoted.p90_usd)
        return replace(self, quoted=quoted.model_dump_json(), p50=p50, p90=p90, reserved=p90)

    def charged(self, amount: int, seconds: float) -> CostRow:
        """The same with more spent, which is taken from what was reserved for it first."""
        left = max(0, self.reserved - amount)
        return replace(self, reserved=left, spent=self.spent + amount, seconds=self.seconds + seconds)

    def record(self) -> JobCost:
        """The cost as callers see it."""
        return JobCost(
            job=self.job,
            project=self.project,
            feature=self.feature,
            quoted=None if self.quoted is None else Quoted.model_validate_json(self.quoted),
            reserved_usd=dollars(self.reserved),
            spent_usd=dollars(self.spent),
            seconds=self.seconds,
            parked=self.parked,
        )


@dataclass(frozen=True, slots=True)
class RunRow:
    """One attempt's way, price and prediction, and what it has taken up to ``counted_at``.

    ``booked`` are those of its seconds that are in the job's cost, too; ``spent`` is in it whole.
    ``work`` in megapixel-iterations, ``worked`` seconds, ``rate`` and ``beside`` are its pace; None
    where it made no progress to speak of.
    """

    token: int
    job: str
    task: str
    attempt: int
    project: str
    feature: str
    pool: str
    accelerator: str
    market: str
    devices: int
    extractor: str
    p50_seconds: float
    p90_seconds: float
    p50_usd: float
    p90_usd: float
    usd_hour: float
    started: float
    day: int
    counted_at: float
    seconds: float = 0.0
    booked: float = 0.0
    spent: int = 0
    work: float | None = None
    worked: float | None = None
    rate: float | None = None
    beside: float | None = None

    def counted(self, now: float, most: float) -> RunRow:
        """The same with the time up to ``now``, of which no more than ``most`` seconds are believed.

        A clock that jumps back loses what passed since it was counted last, and one that jumps ahead
        adds no more than ``most``.
        """
        step = max(0.0, min(now - self.counted_at, most))
        seconds = self.seconds + step
        # From all of its seconds, so that rounding does not add up.
        spent = max(self.spent, micros(seconds * self.usd_hour / 3600))
        return replace(self, seconds=seconds, spent=spent, counted_at=now)

    def paced(self, pace: Pace | None) -> RunRow:
        """The same with its newest pace."""
        if pace is None:
            return self
        return replace(
            self, work=pace.megapixel_iterations, worked=pace.seconds, rate=pace.rate,
            beside=pace.beside,
        )  # fmt: skip

    def record(self) -> RunCost:
        """The run as callers see it."""
        pace = None
        if self.work and self.worked and self.rate:
            pace = Pace(
                megapixel_iterations=self.work, seconds=self.worked, rate=self.rate, beside=self.beside
            )
        own = {
            name: getattr(self, name) for name in RunCost.model_fields if name not in ("usd", "pace")
        }
        return RunCost(**own, usd=dollars(self.spent), pace=pace)


@dataclass(frozen=True, slots=True)
class CostFilter:
    """Which attempts are summed up; a field of None lets all pass. Days count from the epoch."""

    first: int | None = None
    last: int | None = None
    project: str | None = None
    tag: tuple[str, str] | None = None
