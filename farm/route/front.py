"""The ways that are worth looking at: no other one is both cheaper and sooner."""

from __future__ import annotations

import numpy as np

from farm.route.board import Flags, Ints
from farm.route.ways import Ways


def front(ways: Ways, among: Flags) -> Ints:
    """Indices of the Pareto front by median price and time of the ways ``among``, cheapest first."""
    index = np.flatnonzero(among)
    order = index[np.lexsort((ways.p50_seconds[index], ways.p50_usd[index]))]
    if not len(order):
        return order
    times = ways.p50_seconds[order]
    before = np.concatenate([[np.inf], np.minimum.accumulate(times)[:-1]])
    return np.asarray(order[times < before])
