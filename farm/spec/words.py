"""Durations, times and prices as people read them. Limits are rounded to the safe side."""

from __future__ import annotations

import math
from datetime import datetime, timedelta


def duration(seconds: float) -> str:
    """``42 s``, ``7 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def money(usd: float) -> str:
    """``$1.25``; small amounts keep two figures, rounded up: ``$0.0013``."""
    if usd <= 0:
        return "$0.00"
    digits = 2 if usd >= 1 else 1 - math.floor(math.log10(usd))
    step = 10.0**-digits
    # The tiny slack keeps a price that is already round from being raised by a float's last bit.
    return f"${math.ceil(usd / step - 1e-9) * step:.{max(2, digits)}f}"


def clock_time(moment: datetime) -> str:
    """``2026-05-04T12:00:01+00:00``, rounded up to a whole second."""
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.isoformat()
