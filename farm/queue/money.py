"""Dollars as whole millionths, so that sums are exact in any order; and the periods of caps."""

from __future__ import annotations

from datetime import UTC, datetime

from farm.spec.cost import Period

MICROS = 1_000_000
DAY_SECONDS = 86_400
MOST_MICROS = 10**15
"""A thousand million dollars: what is over that is no price but a fault."""


def micros(usd: float) -> int:
    """An amount in millionths of a dollar, rounded to the next one."""
    return min(round(usd * MICROS), MOST_MICROS)


def dollars(amount: int) -> float:
    """Millionths of a dollar as dollars."""
    return amount / MICROS


def day_of(now: float) -> int:
    """The day of a moment, counted from the epoch in UTC."""
    return int(now // DAY_SECONDS)


def first_day(period: Period, now: float) -> int:
    """The first day of the period that ``now`` is in."""
    if period == "total":
        return 0
    today = datetime.fromtimestamp(now, UTC).date()
    back = {"day": 0, "week": today.weekday(), "month": today.day - 1}[period]
    return day_of(now) - back


def date_of(day: int) -> str:
    """A day as people write it: ``2026-05-04``."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()
