"""What came of a policy on a trace, as figures; and policies beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from farm.route.simulate.record import Record
from farm.route.simulate.trace import Flags, Floats
from farm.spec.base import Value


class Outcome(Value):
    """One policy on one trace. Money in USD, times in seconds of the trace."""

    policy: str
    orders: int
    refused: int = Field(description="By the front door, the same for all policies.")
    parked: int = Field(description="Left undone for their project's cap.")
    done: int
    usd: float = Field(description="All that was paid: runs, starts, lost work, machines kept warm.")
    idle_usd: float = Field(description="Of it, for machines that were warm and had nothing to do.")
    starting_usd: float = Field(description="Of it, for boots and start-ups.")
    lost_usd: float = Field(description="Of it, for work that no checkpoint held.")
    usd_alike: float = Field(
        description="Runs of the orders that every policy of the comparison finished, and their share "
        "of what was paid for warm machines."
    )
    deadlines: int = Field(description="Feasible ones, of orders that were not parked.")
    missed: int
    missed_soon: int = Field(
        description="Of the missed, those that were due sooner than a machine boots."
    )
    misses: float = Field(description="Share of the deadlines.")
    late_p95: float = Field(description="Of those that missed theirs, by how much; 95th percentile.")
    wait_mean: float = Field(description="From the order to the first accelerator.")
    wait_p95: float
    wait_p95_standing: float = Field(description="Of orders without a deadline.")
    ready_p50: float = Field(description="From the order to the finished picture, without a deadline.")
    ready_p95: float
    over_budget: int = Field(description="Orders that cost more than their budget.")
    over_budget_usd: float
    over_cap_usd: float = Field(description="By which projects spent more than their caps.")
    over_cap_intervals: float = Field(
        description="The most that a project did, over its dearest checkpoint interval of one job."
    )
    runs: int
    preemptions: int
    moved: int = Field(description="Runs that left spot capacity for their deadline.")
    utilisation: float = Field(description="Of the accelerator hours that could be had.")
    spot_share: float = Field(description="Of the accelerator hours that were held.")
    wall_seconds: float = Field(default=0.0, description="That the simulation itself took.")

    @property
    def jobs_per_second(self) -> float:
        """Orders simulated in a second."""
        return self.orders / self.wall_seconds if self.wall_seconds else 0.0


def outcomes(records: Sequence[Record], walls: Sequence[float] = ()) -> list[Outcome]:
    """The figures of policies that ran on the same trace."""
    alike = np.logical_and.reduce([np.isfinite(record.ended) for record in records])
    taken = [*walls, *[0.0] * (len(records) - len(walls))]
    return [outcome(one, alike, wall) for one, wall in zip(records, taken, strict=True)]


def outcome(record: Record, alike: Flags, wall: float = 0.0) -> Outcome:
    """The figures of one policy; ``alike`` are the orders that are compared, (orders,)."""
    orders, ended, usd = record.trace.orders, record.ended, record.usd
    done, parked = np.isfinite(ended), record.parked
    timed = record.admitted & np.isfinite(orders.due) & ~parked
    late = timed & (ended > orders.due)
    standing = done & ~np.isfinite(orders.due)
    waits, ready = record.began - orders.at, ended - orders.at
    over = np.maximum(usd - orders.budget, 0.0)
    spent = float(usd.sum())
    share = float(usd[alike].sum()) / spent if spent else 0.0
    return Outcome(
        policy=record.policy,
        orders=len(orders),
        refused=int((~record.admitted).sum()),
        parked=int(parked.sum()),
        done=int(done.sum()),
        usd=spent + record.idle_usd,
        idle_usd=record.idle_usd,
        starting_usd=record.starting_usd,
        lost_usd=record.lost_usd,
        usd_alike=share * (spent + record.idle_usd),
        deadlines=int(timed.sum()),
        missed=int(late.sum()),
        missed_soon=int((late & (orders.due - orders.at < _boot(record))).sum()),
        misses=float(late.sum() / max(1, timed.sum())),
        late_p95=_quantile((ended - np.where(late, orders.due, 0.0))[late & done], 0.95),
        wait_mean=float(waits[done].mean()) if done.any() else 0.0,
        wait_p95=_quantile(waits[done], 0.95),
        wait_p95_standing=_quantile(waits[standing], 0.95),
        ready_p50=_quantile(ready[standing], 0.5),
        ready_p95=_quantile(ready[standing], 0.95),
        over_budget=int((over > 0).sum()),
        over_budget_usd=float(over.sum()),
        runs=record.runs,
        preemptions=record.preemptions,
        moved=record.moved,
        **_caps(record),
        **_use(record),
        wall_seconds=wall,
    )


def _boot(record: Record) -> float:
    return max(pool.boot_seconds for pool in record.trace.pools)


def _caps(record: Record) -> dict[str, float]:
    over, intervals = 0.0, 0.0
    for project, spent, one in zip(
        record.trace.projects, record.spent, record.dearest_interval_usd, strict=True
    ):
        if project.cap_usd is not None and spent > project.cap_usd:
            over += spent - project.cap_usd
            intervals = max(intervals, (spent - project.cap_usd) / one if one else 0.0)
    return {"over_cap_usd": over, "over_cap_intervals": intervals}


def _use(record: Record) -> dict[str, float]:
    """Shares of accelerator hours; what could be had counts until orders end."""
    samples, pools = record.samples, record.trace.pools
    within = np.array(samples.at) < record.trace.seconds
    there = np.array(samples.there)[within].sum()
    busy = np.array(samples.busy)[within].sum()
    held = np.array(record.held_seconds)
    spot = np.array([pool.market == "spot" for pool in pools])
    return {
        "utilisation": float(busy / there) if there else 0.0,
        "spot_share": float(held[spot].sum() / held.sum()) if held.sum() else 0.0,
    }


def _quantile(values: Floats, q: float) -> float:
    return float(np.quantile(values, q)) if len(values) else 0.0
