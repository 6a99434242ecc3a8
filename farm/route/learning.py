"""What real runs teach about a pool: its speed, its start-up, and how often it is taken away.

Speeds and start-ups are followed by an exponentially weighted mean of the logarithm of what was seen
over what the catalogue says, with its spread. The first runs count as much as the catalogue's own
confidence lets them, later ones ``LEAST_GAIN`` each, so that a pool that changes is followed within ten
runs or so. A run counts with no more than ``CLIP`` spreads: one freak run moves a quote by a few per
cent, and many that agree are believed. Preemptions update a Gamma posterior; what was seen long ago
counts for less (``HALF_LIFE_DAYS``), as markets change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farm.route.accelerator import Pool, Preemption, Speed
from farm.route.preemption import seen
from farm.spec.cost import Exposure, Pace

LEAST_GAIN = 0.15
"""Weight of a new run once there are many."""
CLIP = 3.0
"""Spreads that a run may be off and still count in full."""
LEAST_SPREAD = 0.03
"""Deviation of the logarithm between runs that is always reckoned with."""
FURTHEST = math.log(20)
"""What was seen may be at most so far from the catalogue; beyond, one of them is wrong."""
LEAST_STARTUP = 0.5
"""Seconds that a start-up is taken for at least, so that it can be followed."""
HALF_LIFE_DAYS = 14.0
ENOUGH = 3
"""Runs after which an assumed speed counts as measured."""


@dataclass(frozen=True)
class Trust:
    """How far a figure of the catalogue is to be trusted: worth so many runs, with that spread."""

    runs: float
    spread: float


ASSUMED = Trust(runs=0.5, spread=0.3)
STARTUP = Trust(runs=1.0, spread=0.5)
MEASURED_RUNS, MEASURED_SPREAD = 3.0, 0.05


@dataclass(frozen=True)
class Learnt:
    """The logarithm of what is seen over what was assumed: its mean and its spread between runs."""

    mean: float
    spread: float


def follow(ratios: Iterable[float], trust: Trust) -> Learnt:
    """What observations teach, given oldest first, each as seen over assumed."""
    mean, variance, count = 0.0, trust.spread**2, trust.runs
    for ratio in ratios:
        most, off = CLIP * math.sqrt(variance), math.log(ratio) - mean
        step = min(max(off, -most), most)
        gain = max(1 / (count + 1), LEAST_GAIN)
        mean += gain * step
        # The variance of an exponentially weighted mean (Finch 2009, section 9).
        variance = max((1 - gain) * (variance + gain * step**2), LEAST_SPREAD**2)
        # A surprise is no reason to trust the mean more: the next runs may agree with it.
        count += abs(off) <= most
    return Learnt(min(max(mean, -FURTHEST), FURTHEST), math.sqrt(variance))


def speed(base: Speed, paces: Sequence[tuple[float, Pace]]) -> Speed:
    """The catalogue's speed as runs have corrected it.

    Args:
        base: what the catalogue says.
        paces: when each run began, and its pace; oldest first.
    """
    if not paces:
        return base
    trust = ASSUMED
    if base.calibrated:
        trust = Trust(MEASURED_RUNS, max(base.spread or 0.0, MEASURED_SPREAD))
    learnt = follow((pace.rate / base.rate_inf for _, pace in paces), trust)
    measured = max(paces[-1][0], base.measured_at or 0.0)
    return base.model_copy(
        update={
            "rate_inf": base.rate_inf * math.exp(learnt.mean),
            "spread": math.exp(learnt.spread) - 1,
            "measured_at": measured if base.calibrated or len(paces) >= ENOUGH else None,
            "source": f"corrected by {len(paces)} runs",
        }
    )


def startup(base: float, paces: Sequence[Pace]) -> float:
    """Seconds beside the iterations, as runs have corrected them; ``paces`` oldest first."""
    others = [max(pace.beside, 0.01) for pace in paces if pace.beside is not None]
    start = max(base, LEAST_STARTUP)
    return base if not others else start * math.exp(follow((o / start for o in others), STARTUP).mean)


def preemption(prior: Preemption, exposures: Iterable[Exposure], today: float) -> Preemption:
    """How often a pool is taken away, after what was seen of it.

    Args:
        today: days since the epoch, UTC; what was seen later, by a clock that was ahead, is new.
    """
    found = prior
    for each in exposures:
        weight = 0.5 ** (max(0.0, today - each.day) / HALF_LIFE_DAYS)
        found = seen(found, weight * each.preemptions, weight * each.hours)
    return found


def corrected(
    pool: Pool,
    paces: Mapping[str, Sequence[tuple[float, Pace]]],
    exposures: Iterable[Exposure],
    today: float,
) -> Pool:
    """A pool with all that is learnt about it.

    Args:
        paces: by extractor, oldest first.
        exposures: of this pool.
        today: days since the epoch, UTC.
    """
    accelerator = pool.accelerator
    speeds = {name: speed(base, paces.get(name, ())) for name, base in accelerator.speeds.items()}
    every = sorted((run for each in paces.values() for run in each), key=lambda run: run[0])
    start = startup(accelerator.startup_seconds, [pace for _, pace in every])
    changes = {"speeds": speeds, "startup_seconds": start}
    known = pool.preemption and preemption(pool.preemption, exposures, today)
    return pool.model_copy(
        update={"accelerator": accelerator.model_copy(update=changes), "preemption": known}
    )
