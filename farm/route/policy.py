"""Which way to take: the cheapest that meets the deadline, or the fastest within the budget.

Promises are kept at the 90th percentile: a way meets a deadline or a budget when nine of ten runs do.
What is cheapest goes by the mean, which is what many jobs come to; among equals the median decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from farm.route.board import Flags, Floats, Ints
from farm.route.ways import Ways


@dataclass(frozen=True)
class Wish:
    """What a job may take.

    Args:
        due: when it must be there, epoch seconds; None: whenever.
        budget_usd: the most it may cost.
        spot: whether it may run on capacity that can be taken away.
        devices: ranks that must share it; None leaves the size of the gang to the router.
        hour_usd: what an hour until it is there is worth to whoever waits for it.
    """

    due: float | None = None
    budget_usd: float | None = None
    spot: bool = True
    devices: int | None = None
    hour_usd: float = 0.0


class Reason(IntEnum):
    """By which rule a way was taken."""

    CHEAPEST = 0
    """The cheapest of those that keep the deadline and the budget."""
    FASTEST = 1
    """The fastest within the budget."""
    WORTH = 2
    """The least sum of its price and of what waiting for it is worth."""


@dataclass(frozen=True)
class Choice:
    """The index of a way of ``Ways``, and seconds until its place is free."""

    way: int
    reason: Reason
    wait: float = 0.0


def choose(
    ways: Ways, wish: Wish, now: float, free: Ints | None = None, wait: Floats | None = None
) -> Choice | None:
    """The best way, or None where no way keeps the wishes.

    Args:
        ways: of the job, from ``weigh``.
        wish: the job's.
        now: epoch seconds.
        free: accelerators free in each pool now, (pools,); None: all of them.
        wait: expected seconds until a place is free in each pool that lacks one, (pools,); infinite
            where nobody knows. None: only what is free now is looked at.
    """
    delay = delays(ways, free, wait)
    kept = keeps(ways, wish, now, delay)
    rule = rule_of(wish)
    if rule == Reason.WORTH:
        return _least(ways, wish, kept, delay)
    if rule == Reason.CHEAPEST and delay is None:
        order = ways.by_price
    else:
        order = _order(ways, wish, rule, delay)
    hits = kept[order]
    first = int(hits.argmax()) if len(hits) else 0
    if not len(hits) or not hits[first]:
        return None
    way = int(order[first])
    return Choice(way, rule, 0.0 if delay is None else float(delay[way]))


def rule_of(wish: Wish) -> Reason:
    """The rule that a wish is judged by."""
    if wish.hour_usd > 0:
        return Reason.WORTH
    return Reason.FASTEST if wish.budget_usd is not None and wish.due is None else Reason.CHEAPEST


def keeps(ways: Ways, wish: Wish, now: float, delay: Floats | None = None) -> Flags:
    """Which ways can take the job and keep its deadline and its budget, (w,)."""
    kept = admits(ways, wish)
    if delay is not None:
        kept &= delay < np.inf
    if wish.due is not None:
        ready = ways.p90_seconds if delay is None else ways.p90_seconds + delay
        kept &= ready <= wish.due - now
    if wish.budget_usd is not None:
        kept &= ways.p90_usd <= wish.budget_usd
    return kept


def admits(ways: Ways, wish: Wish) -> Flags:
    """Which ways can take the job at all, and are of a market and a gang that it allows, (w,)."""
    kept = ways.able.copy()
    if not wish.spot:
        kept &= ~ways.board.spot
    if wish.devices is not None:
        kept &= ways.devices == wish.devices
    return kept


def delays(ways: Ways, free: Ints | None, wait: Floats | None) -> Floats | None:
    """Seconds until there is a place for each way, (w,); None: there is one for all of them."""
    if free is None:
        return None
    lacking = ways.places > free[ways.pool]
    if not lacking.any():
        return None
    missing = np.inf if wait is None else wait[ways.pool]
    return np.where(lacking, missing, 0.0)


def _order(ways: Ways, wish: Wish, rule: Reason, delay: Floats | None) -> Ints:
    """The ways that can take the job, best first."""
    if rule == Reason.FASTEST and delay is None:
        return ways.by_time
    assert delay is not None
    if rule == Reason.CHEAPEST:
        # Of equal price the one that begins sooner; the sort is stable.
        by_price = ways.by_price
        return np.asarray(by_price[np.lexsort((delay[by_price], ways.expected_usd[by_price]))])
    by_time = ways.by_time
    return np.asarray(by_time[np.argsort((ways.p50_seconds + delay)[by_time], kind="stable")])


def _least(ways: Ways, wish: Wish, kept: Flags, delay: Floats | None) -> Choice | None:
    """The way of least price and worth of waiting; of equals the cheaper. Without a sort."""
    mean = ways.expected_seconds if delay is None else ways.expected_seconds + delay
    worth = np.where(kept, ways.expected_usd + wish.hour_usd / 3600 * mean, np.inf)[ways.by_price]
    best = int(worth.argmin()) if len(worth) else 0
    if not len(worth) or worth[best] == np.inf:
        return None
    way = int(ways.by_price[best])
    return Choice(way, Reason.WORTH, 0.0 if delay is None else float(delay[way]))
