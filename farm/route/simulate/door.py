"""The front door: orders that not even an empty fleet could keep are refused, whatever the policy.

It is the rule of ``policy.keeps`` on the pools as they are at second 0, for all orders at once. What it
lets in has a feasible deadline.
"""

from __future__ import annotations

import numpy as np

from farm.route.board import Board
from farm.route.simulate.trace import Flags, Integers, Trace
from farm.route.ways import Ways, weigh

BLOCK = 1 << 14
"""Orders that are looked at together, to bound the memory."""


def admitted(trace: Trace) -> Flags:
    """Which orders could be kept, (orders,)."""
    board, orders = Board.of(trace.pools), trace.orders
    found = np.zeros(len(orders), dtype=bool)
    for index, work in enumerate(trace.footprints):
        ways = weigh(work, board)
        for spot in (False, True):
            which = np.flatnonzero((orders.work == index) & (orders.spot == spot))
            for begin in range(0, len(which), BLOCK):
                block = which[begin : begin + BLOCK]
                found[block] = _keeps(ways, trace, block, spot=spot)
    return found


def _keeps(ways: Ways, trace: Trace, which: Integers, *, spot: bool) -> Flags:
    usable = ways.able if spot else ways.able & ~ways.board.spot
    orders = trace.orders
    rest = (orders.due[which] - orders.at[which])[:, None]
    in_time = ways.p90_seconds[usable][None, :] <= rest
    affordable = ways.p90_usd[usable][None, :] <= orders.budget[which][:, None]
    return np.asarray((in_time & affordable).any(axis=1))
