"""What markets do: prices that walk, spot capacity that is taken back, types that are sold out.

Each kind of change takes a random stream, the pools and the seconds of the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import numpy as np

from farm.route.accelerator import Pool
from farm.route.simulate.trace import Change

HOUR = 3600.0
RATE_SPREAD, SPEED_SPREAD = 0.5, 0.08
"""Standard deviations of the logarithm of the truth around what is believed."""

Maker: TypeAlias = Callable[[np.random.Generator, tuple[Pool, ...], float], Iterable[Change]]


def truth(
    random: np.random.Generator, pools: tuple[Pool, ...]
) -> tuple[list[Change], dict[str, float]]:
    """Preemption rates from second 0 on, and speeds of accelerators over their catalogue's."""
    rates = []
    for index, pool in enumerate(pools):
        factor = float(random.lognormal(0.0, RATE_SPREAD))
        if pool.preemption is not None:
            believed = pool.preemption.events / pool.preemption.hours
            rates.append(Change(0.0, index, preemptions_per_hour=believed * factor))
    names = sorted({pool.accelerator.name for pool in pools})
    return rates, {name: round(float(random.lognormal(0.0, SPEED_SPREAD)), 4) for name in names}


def crunch(random: np.random.Generator, pools: tuple[Pool, ...], seconds: float) -> Iterable[Change]:
    """In all regions but one, six of seven spot places go within minutes and come back over hours."""
    begin, regions = seconds * 0.55, sorted({pool.region for pool in pools})
    spared = regions[int(random.integers(len(regions)))] if len(regions) > 1 else None
    for index, pool in enumerate(pools):
        if pool.market != "spot" or pool.region == spared:
            continue
        at, rate = begin + float(random.uniform(0, 600)), _believed(pool)
        yield Change(at, index, count=pool.count // 7, preemptions_per_hour=rate * 8)
        for step, share in enumerate((0.4, 0.7, 1.0), 1):
            count = round(pool.count * share)
            later = min(at + step * seconds / 16, seconds)
            yield Change(later, index, count=count, preemptions_per_hour=rate * (8 if share < 1 else 1))


def prices(random: np.random.Generator, pools: tuple[Pool, ...], seconds: float) -> Iterable[Change]:
    """Spot prices walk by the hour around their start; once, one region's go up by 80 % for a while."""
    regions = sorted({pool.region for pool in pools})
    dear = regions[int(random.integers(len(regions)))]
    hours = max(2, int(seconds / HOUR))
    for index, pool in enumerate(pools):
        steps = random.normal(0.0, 0.05, hours)
        if pool.market != "spot":
            continue
        level = 0.0
        for hour in range(1, hours):
            level = 0.9 * level + float(steps[hour])
            risen = 1.8 if pool.region == dear and 0.3 < hour / hours < 0.5 else 1.0
            price = pool.price * float(np.exp(level)) * risen
            yield Change(hour * seconds / hours, index, usd_per_hour=round(price, 5))


def stockout(random: np.random.Generator, pools: tuple[Pool, ...], seconds: float) -> Iterable[Change]:
    """Two sorts of accelerators cannot be had on demand for a quarter of the time, and one not as spot.

    What runs goes on: nothing new starts there.
    """
    names = sorted({pool.accelerator.name for pool in pools})
    chosen = [names[int(i)] for i in random.permutation(len(names))[:3]]
    begin = seconds * 0.3
    for index, pool in enumerate(pools):
        gone = chosen[2:] if pool.market == "spot" else chosen[:2]
        if pool.accelerator.name in gone:
            yield Change(begin, index, count=0)
            yield Change(begin + seconds / 4, index, count=pool.count)


CHANGES: Mapping[str, Maker] = {"crunch": crunch, "prices": prices, "stockout": stockout}
"""What can happen to a market, by name."""


def _believed(pool: Pool) -> float:
    return pool.preemption.events / pool.preemption.hours if pool.preemption else 0.0
