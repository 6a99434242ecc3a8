"""What a way costs, and by how much runs exceed their median."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from farm.route.accelerator import Speed

Floats: TypeAlias = NDArray[np.float64]

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


def usd(price: Floats, seconds: Floats, gigabytes: float, egress: Floats) -> Floats:
    """What runs cost: every second that their accelerators are held, and bringing the results out.

    Args:
        price: USD per second of all accelerators of a way together, (w,).
        seconds: from claiming them to giving them back, lost work and restarts included, (w,).
        gigabytes: of results.
        egress: USD for a gigabyte, (w,).
    """
    return np.asarray(price * seconds + gigabytes * egress)


def p90(median: Floats, factor: Floats, lost50: Floats, lost90: Floats) -> Floats:
    """What nine of ten runs stay under, by two causes that are independent of each other.

    Runs without a preemption are longer than their median by ``factor``, and preemptions add
    ``lost90`` over ``lost50``. Independent deviations add up by their squares; with one cause alone
    this is exact.

    Args:
        median: seconds of runs without a preemption.
        factor: as in ``p90_factor``.
        lost50, lost90: seconds that preemptions add.
    """
    return np.asarray(median + lost50 + np.hypot(median * (factor - 1), lost90 - lost50))
