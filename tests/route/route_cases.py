"""Pools and works with round figures, for tests of the policy."""

from __future__ import annotations

from typing import Any

from farm.route import Accelerator, Pool, Speed, footprint
from farm.route.accelerator import Preemption
from farm.route.footprint import Footprint

EXTRACTOR = "x"
"""Unknown to the planner, so that paces are 1 and nothing is tiled."""


def pool(name: str, rate: float = 1.0, price: float = 3.6, **changes: Any) -> Pool:
    """A pool of one that does ``work(s)`` in s / rate seconds, for price / 3600 USD each."""
    card = Accelerator(
        name=f"{name}-card", kind="cuda", speeds={EXTRACTOR: speed(rate)}, memory_gb=80,
        usd_per_hour=price, checkpoint_seconds=0, startup_seconds=0,
    )  # fmt: skip
    fields = {key: changes.pop(key) for key in list(changes) if key in Accelerator.model_fields}
    return Pool(name=name, accelerator=card.model_copy(update=fields), **changes)


def speed(rate: float) -> Speed:
    """One that was measured, without anything that is lost on small pictures."""
    return Speed(rate_inf=rate, p_half=0, measured_at=0.0)


def spot(name: str, rate: float, price: float, every_hours: float, **changes: Any) -> Pool:
    """The same as spot capacity that is taken away once in so many hours, as far as is known."""
    known = Preemption(events=20, hours=20 * every_hours)
    return pool(name, rate, price, market="spot", preemption=known, **changes)


def work(seconds: int) -> Footprint:
    """A megapixel that takes so many seconds at rate 1."""
    return footprint([(1000, 1000, seconds)], EXTRACTOR)
