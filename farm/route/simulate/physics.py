"""What truly happens on the accelerators of a trace, whatever a policy believes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from farm.route.accelerator import Accelerator, Pool
from farm.route.board import Board
from farm.route.footprint import Footprint
from farm.route.simulate.trace import Floats, Trace
from farm.route.ways import running_by_scale

NOISE = 0.1
"""Standard deviation of the logarithm of a run's time: nine of ten stay under 1.14 medians."""
EIGHTHS = 8


@dataclass(frozen=True)
class Times:
    """What one footprint takes on each way; lists, for they are read one at a time.

    ``unit`` are productive seconds of one of its ``units``, ``save`` those of a mean checkpoint.
    """

    unit: list[float]
    save: list[float]
    units: int


class Clockwork:
    """Times of all footprints on a board, by the engine's own plan, reckoned when asked for."""

    def __init__(self, pools: Sequence[Pool], works: Sequence[Footprint]) -> None:
        self._board, self._works = Board.of(pools), works
        self._known: dict[int, Times] = {}
        self.pool: list[int] = self._board.pool.tolist()
        self.places: list[int] = self._board.places.tolist()
        self.startup: list[float] = self._board.startup.tolist()
        self.boot: list[float] = self._board.boot.tolist()

    def times(self, work: int) -> Times:
        """Those of the footprint of that index."""
        found = self._known.get(work)
        if found is None:
            found = self._known[work] = _times(self._works[work], self._board)
        return found


class Physics(Clockwork):
    """The truth of a trace; ``pace`` is of each order what its runs take over what they should."""

    def __init__(self, trace: Trace) -> None:
        pools = [
            pool.model_copy(update={"accelerator": faster(pool.accelerator, speed)})
            for pool in trace.pools
            for speed in (trace.speeds.get(pool.accelerator.name, 1.0),)
        ]
        super().__init__(pools, trace.footprints)
        random = np.random.default_rng([trace.seed, 10])
        self.pace: list[float] = random.lognormal(0.0, NOISE, len(trace.orders)).tolist()


def remaining(work: Footprint, eighths: int) -> Footprint:
    """The footprint of so many eighths of ``work``: of its units, or else of its iterations."""
    if eighths >= EIGHTHS:
        return work
    if work.units > 1:
        return replace(work, units=max(1, -(-work.units * eighths // EIGHTHS)))
    scales = tuple(
        (width, height, max(1, -(-iterations * eighths // EIGHTHS)))
        for width, height, iterations in work.scales
    )
    return replace(work, scales=scales)


def faster(accelerator: Accelerator, factor: float) -> Accelerator:
    """The same accelerator, that many times as fast."""
    speeds = {
        name: speed.model_copy(update={"rate_inf": speed.rate_inf * factor})
        for name, speed in accelerator.speeds.items()
    }
    return accelerator.model_copy(update={"speeds": speeds})


def _times(work: Footprint, board: Board) -> Times:
    seconds, saves, _ = running_by_scale(work, board)
    unit: Floats = np.maximum(seconds.sum(axis=1), 1e-9)
    save: Floats = (seconds * saves).sum(axis=1) / unit
    return Times(unit.tolist(), save.tolist(), work.units)
