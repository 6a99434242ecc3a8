"""What was quoted, what was spent, and what a project may spend; in US dollars."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from farm.spec.base import Value

Period = Literal["day", "week", "month", "total"]
"""What a cap is for, in UTC; weeks begin on Monday, and ``total`` never begins anew."""

Grouping = Literal["project", "feature", "pool", "day"]
"""What costs are summed up by. A job's feature is its label of that name, else its kind."""

FEATURE, USER = "feature", "user"
"""Labels of a job that costs and waits are told apart by."""


class _View(Value):
    """A reader of an older version passes over what a newer farm adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Quoted(Value):
    """What a job was expected to take when it was accepted: median, and what 9 of 10 stay under."""

    pool: str
    p50_seconds: float = Field(ge=0)
    p90_seconds: float = Field(ge=0)
    p50_usd: float = Field(ge=0)
    p90_usd: float = Field(ge=0)
    megapixel_iterations: float = Field(default=0.0, ge=0)


class Pace(Value):
    """How fast an attempt has gone between its first sign of progress and its last.

    ``rate`` is what ``Speed.rate_inf`` of its accelerator would have to be for a quote to have been
    right: megapixel-iterations per second on large pictures. ``beside`` is all the other time of an
    attempt that went from its start to its end: the start-up, and the finished picture's file.
    """

    megapixel_iterations: float = Field(gt=0)
    seconds: float = Field(gt=0)
    rate: float = Field(gt=0)
    beside: float | None = Field(
        default=None, ge=0, description="Seconds; null: not from start to end."
    )


class Account(_View):
    """What a project may spend, has spent in the current period, and has promised to its open jobs."""

    project: str
    cap_usd: float | None = Field(default=None, description="null: no cap.")
    period: Period = "month"
    spent_usd: float = Field(default=0.0, description="In the current period.")
    reserved_usd: float = Field(default=0.0, description="Of open jobs' reservations, not spent yet.")


class RunCost(_View):
    """One attempt's prediction against what it took."""

    job: str
    task: str
    attempt: int
    project: str
    feature: str
    pool: str
    accelerator: str
    market: str = "on-demand"
    devices: int = 1
    extractor: str
    p50_seconds: float
    p90_seconds: float
    p50_usd: float
    p90_usd: float
    started: float = Field(description="When it was routed; epoch seconds, UTC.")
    seconds: float = Field(default=0.0, description="That it ran, so far.")
    usd: float = Field(default=0.0, description="That it has cost, so far.")
    pace: Pace | None = Field(default=None, description="null: it made no progress to speak of.")


class JobCost(_View):
    """A job's quote against what it took."""

    job: str
    project: str
    feature: str
    quoted: Quoted | None = Field(default=None, description="null: it was accepted without a quote.")
    reserved_usd: float = Field(
        default=0.0, description="Still held back for it from its project's cap."
    )
    spent_usd: float = Field(default=0.0, description="By all its attempts.")
    seconds: float = Field(default=0.0, description="That its attempts ran.")
    parked: str = Field(
        default="", description="Why it was put aside for its project's cap, if it was."
    )
    runs: tuple[RunCost, ...] = Field(default=(), description="Its attempts, where they are asked for.")


class CostLine(_View):
    """Costs of all attempts that have one thing in common."""

    key: str = Field(description="The project, feature, pool or day (as 2026-05-04, UTC).")
    jobs: int
    attempts: int
    hours: float = Field(description="Accelerator hours.")
    usd: float
    done: int = Field(default=0, description="Of the jobs, those that are done and had a quote.")
    quoted_usd: float = Field(default=0.0, description="Median quotes of these.")
    actual_usd: float = Field(default=0.0, description="What these cost, all their attempts.")
    covered: int = Field(default=0, description="Of these, those that stayed under their p90.")


class Exposure(_View):
    """What was seen on one day of how often a pool's capacity is taken away."""

    pool: str
    day: int = Field(description="Days since the epoch, UTC.")
    hours: float = Field(description="That attempts held a place there, each gang one.")
    preemptions: int


class Wait(_View):
    """How long somebody waited, or has been waiting, for a job's pictures."""

    job: str
    project: str
    user: str = Field(default="", description="The job's label 'user'.")
    asked: float = Field(description="When it was accepted; epoch seconds, UTC.")
    first: float | None = Field(default=None, description="Seconds to its first rendition.")
    final: float | None = Field(default=None, description="Seconds to its final one.")
