"""The best way for one job while a queue is being planned, as the places stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from farm.route.board import Flags, Floats
from farm.route.places import Places, Slot
from farm.route.policy import Reason, Wish, admits, rule_of
from farm.route.ways import Ways

IMPATIENCE = 1e-6
"""USD that an hour is worth to whoever named no price: of equal ways, the sooner."""
HOUR = 3600.0
_INF = float("inf")


@dataclass(frozen=True)
class Queued:
    """A job that waits: its ways on the board, its wishes, and its priority (higher goes first)."""

    ways: Ways
    wish: Wish
    priority: int = 0


class Offer(NamedTuple):
    """The best way for a job as the places stand.

    ``delay`` are seconds until it begins. ``loss`` is what the next best pool is worse by, in what ways
    are compared by; infinite where there is none.
    """

    way: int
    delay: float
    loss: float
    kept: bool = True


def offer(job: Queued, places: Places) -> Offer | None:
    """The best way for ``job``; None where no pool can take it."""
    return _best(job.ways, places, job.wish) or late(job, places)


def late(job: Queued, places: Places) -> Offer | None:
    """The soonest way where the wishes cannot be kept any more; within the budget if possible."""
    wish = Wish(None, job.wish.budget_usd or _INF, job.wish.spot, job.wish.devices)
    found = _best(job.ways, places, wish) or _best(job.ways, places, replace(wish, budget_usd=_INF))
    return found and found._replace(kept=False)


def take(job: Queued, found: Offer, places: Places) -> Slot:
    """Give the job what was found."""
    places.take(found.way, found.delay, float(job.ways.expected_seconds[found.way]))
    return Slot(found.way, places.now + found.delay, found.kept)


def _best(ways: Ways, places: Places, wish: Wish) -> Offer | None:
    """The way of least worth among those that keep ``wish``."""
    delay = places.delay
    kept = _allowed(ways, wish)
    if wish.due is not None:
        kept = kept & (delay <= (wish.due - places.now) - ways.p90_seconds)
    worth = np.where(kept, _worth(ways, delay, wish), _INF)
    way = int(worth.argmin()) if len(worth) else 0
    value = float(worth[way]) if len(worth) else _INF
    if value == _INF:
        return None
    worth[places.others(way)] = _INF
    return Offer(way, float(delay[way]), float(worth.min()) - value)


def _allowed(ways: Ways, wish: Wish) -> Flags:
    if wish.spot and wish.devices is None and wish.budget_usd is None:
        return ways.able
    kept = admits(ways, wish)
    return kept if wish.budget_usd is None else kept & (ways.p90_usd <= wish.budget_usd)


def _worth(ways: Ways, delay: Floats, wish: Wish) -> Floats:
    """What to compare ways by: USD, or seconds where the wish is for speed."""
    if rule_of(wish) == Reason.FASTEST:
        return delay + ways.p50_seconds
    hourly = max(wish.hour_usd, IMPATIENCE) / HOUR
    return ways.expected_usd + hourly * (delay + ways.expected_seconds)
