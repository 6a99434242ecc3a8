"""What a job costs on a pool: expected time and money, and what nine of ten runs stay under."""

from __future__ import annotations

from farm.route.accelerator import Pool, Speed
from farm.route.footprint import Footprint, seconds
from farm.spec.routing import Option

Z90 = 1.2816
"""The 90th percentile of the normal distribution, in standard deviations."""
P90_ASSUMED = 1.35
P90_MEASURED = 1.15


def p90_factor(speed: Speed) -> float:
    """By how much nine of ten runs exceed the median at most.

    Repeated measurements minutes apart see less than a day's noise, hence the floor.
    """
    if not speed.calibrated:
        return P90_ASSUMED
    return max(P90_MEASURED, 1 + Z90 * (speed.spread or 0.0))


def estimate(work: Footprint, pool: Pool) -> Option:
    """Time and price of ``work`` on one accelerator of ``pool``, start-up included.

    Raises:
        Unavailable: nothing is known about the extractor's speed there.
    """
    accelerator = pool.accelerator
    speed = accelerator.speed(work.extractor)
    p50 = accelerator.startup_seconds + seconds(work, accelerator)
    p90 = p50 * p90_factor(speed)
    price = pool.price / 3600
    return Option(
        pool=pool.name,
        accelerator=accelerator.name,
        p50_seconds=p50,
        p90_seconds=p90,
        p50_usd=p50 * price,
        p90_usd=p90 * price,
        note="" if speed.calibrated else "speed assumed; 'farm bench engine' measures it",
    )
