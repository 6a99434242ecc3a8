"""Why a job cannot be had as it is wished for, and the nearest that can."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NoReturn

import numpy as np

from farm.errors import Refused
from farm.route.board import Flags
from farm.route.footprint import Footprint
from farm.route.options import obstacle
from farm.route.policy import Wish, admits
from farm.route.ways import Ways
from farm.spec.words import clock_time, money

SHOWN = 5
"""Pools that are named before the rest is counted."""


def refuse(work: Footprint, ways: Ways, wish: Wish, now: float) -> NoReturn:
    """Say which wish fails, and the nearest that would not.

    Raises:
        Refused: always.
    """
    usable = admits(ways, wish)
    if not usable.any():
        _refuse_capacity(work, ways, wish)
    in_time = usable.copy()
    if wish.due is not None:
        in_time &= ways.p90_seconds <= wish.due - now
    if not in_time.any():
        _refuse_deadline(ways, wish, now, usable)
    _refuse_budget(ways, wish, in_time)


def _refuse_capacity(work: Footprint, ways: Ways, wish: Wish) -> NoReturn:
    size = f"{work.width}×{work.height}"
    pools = ways.board.pools
    if not pools:
        raise Refused(f"routing: there is no pool to run {size} on; start one with 'farm up'.")
    _, first = np.unique(ways.pool, return_index=True)
    notes = [
        f"{pools[ways.pool[way]].name}: {obstacle(work, ways, int(way), wish)}" for way in first[:SHOWN]
    ]
    more = f"; and {len(pools) - SHOWN} more" if len(pools) > SHOWN else ""
    raise Refused(
        f"routing: no pool can take {size} ({'; '.join(notes)}{more}); "
        "make the output smaller or add a pool."
    )


def _refuse_deadline(ways: Ways, wish: Wish, now: float, usable: Flags) -> NoReturn:
    assert wish.due is not None
    affordable = usable.copy()
    if wish.budget_usd is not None:
        affordable &= ways.p90_usd <= wish.budget_usd
    soonest = _least(ways.p90_seconds, affordable if affordable.any() else usable)
    raise Refused(
        f"routing.deadline: {clock(wish.due)} is too early; the soonest is "
        f"{clock(now + float(ways.p90_seconds[soonest]))} on {_name(ways, soonest)} for "
        f"{money(float(ways.p90_usd[soonest]))}, so move it there or make the output smaller.",
        field="routing.deadline",
    )


def _refuse_budget(ways: Ways, wish: Wish, in_time: Flags) -> NoReturn:
    assert wish.budget_usd is not None
    cheapest = _least(ways.p90_usd, in_time)
    raise Refused(
        f"routing.budget_usd: {money(wish.budget_usd)} is too little; the cheapest way "
        f"{'in time ' if wish.due is not None else ''}costs up to "
        f"{money(float(ways.p90_usd[cheapest]))} on {_name(ways, cheapest)}, so raise it or make "
        "the output smaller.",
        field="routing.budget_usd",
    )


def _least(values: np.ndarray[tuple[int], np.dtype[np.float64]], among: Flags) -> int:
    return int(np.where(among, values, np.inf).argmin())


def _name(ways: Ways, way: int) -> str:
    devices = int(ways.devices[way])
    name = ways.board.pools[ways.pool[way]].name
    return name if devices == 1 else f"{devices} devices of {name}"


def clock(seconds: float) -> str:
    """Epoch seconds as people read them, rounded up to a whole second."""
    return clock_time(datetime.fromtimestamp(seconds, UTC))
