"""Every way to run a job, on each pool with each gang, with its time and its price: as arrays."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from farm.engine.planner import CHECKPOINT_SHARE
from farm.route import cost, gang
from farm.route.board import Board, Flags, Floats, Ints
from farm.route.footprint import CHECKPOINT_SECONDS, MEGA, Footprint, saving
from farm.route.paces import paces
from farm.route.preemption import losses

__all__ = ["Board", "Obstacle", "Ways", "running_by_scale", "weigh"]

LEAST_INTERVAL = 1.0
"""Seconds between checkpoints that cost nothing."""
KEPT = 4096
"""Footprints whose ways are remembered for each board."""


class Obstacle(IntEnum):
    """Why a way cannot take a job at all, whatever its deadline and budget."""

    NONE = 0
    EMPTY = 1
    """The pool has not that many accelerators."""
    MEMORY = 2
    """No plan of the engine fits into its memory."""
    SPEED = 3
    """Nothing is known about the extractor's speed there."""


@dataclass(frozen=True, eq=False)
class Ways:
    """The ways of a board for one footprint, arrays of (w,); seconds and USD, start-up included.

    ``p50``: half of the runs stay under it; ``p90``: nine of ten; ``expected``: the mean, which is
    what many such runs come to. ``start_seconds`` pass before the first iteration, ``interval`` is
    the time between two checkpoints that costs least.
    """

    board: Board
    obstacle: Ints
    start_seconds: Floats
    interval: Floats
    p50_seconds: Floats
    p90_seconds: Floats
    expected_seconds: Floats
    p50_usd: Floats
    p90_usd: Floats
    expected_usd: Floats

    @property
    def pool(self) -> Ints:
        """Index of each way's pool."""
        return self.board.pool

    @property
    def devices(self) -> Ints:
        """Ranks that share the picture."""
        return self.board.devices

    @property
    def places(self) -> Ints:
        """Accelerators that a way takes."""
        return self.board.places

    @cached_property
    def plain(self) -> tuple[list[float], list[float], list[int]]:
        """90th percentiles and means of seconds, and places, where one at a time is looked up."""
        return self.p90_seconds.tolist(), self.expected_seconds.tolist(), self.places.tolist()

    @cached_property
    def able(self) -> Flags:
        """Which ways can take the job at all."""
        return np.asarray(self.obstacle == Obstacle.NONE)

    @cached_property
    def by_price(self) -> Ints:
        """The ways that can take the job, cheapest first; of equals the sooner."""
        order = np.lexsort((self.p90_usd, self.p50_seconds, self.p50_usd, self.expected_usd))
        return np.asarray(order[self.able[order]])

    @cached_property
    def by_time(self) -> Ints:
        """The ways that can take the job, soonest first; of equals the cheaper."""
        order = np.lexsort((self.p90_usd, self.p90_seconds, self.p50_usd, self.p50_seconds))
        return np.asarray(order[self.able[order]])


_known: WeakKeyDictionary[Board, OrderedDict[Footprint, Ways]] = WeakKeyDictionary()


def weigh(work: Footprint, board: Board) -> Ways:
    """All ways to do ``work``; equal footprints on the same board are reckoned once."""
    known = _known.setdefault(board, OrderedDict())
    found = known.get(work)
    if found is None:
        found = known[work] = _weigh(work, board)
        if len(known) > KEPT:
            known.popitem(last=False)
    return found


def _weigh(work: Footprint, board: Board) -> Ways:
    speeds = board.speeds(work.extractor, work.precision)
    running, saves, fits = running_by_scale(work, board)
    seconds, interval = _checkpointed(running, saves, work.units)
    each = running.sum(axis=1)
    start = board.start - _loaded(work, board)
    run = seconds.copy()
    mean, lost50, lost90 = np.zeros((3, len(run)))
    if len(risky := board.risky):
        productive, save, interval[risky] = _stretches(each, saves, running, board, work.units)
        tau = np.minimum(interval[risky], each[risky])
        restart = board.boot[risky] + board.startup[risky] + save
        lost = losses(productive, tau, save, restart, board.threat)
        run[risky] = productive + np.maximum(productive / tau - 1, 0.0) * save
        mean[risky], lost50[risky], lost90[risky] = lost.mean, lost.quantile(0.5), lost.quantile(0.9)
    median = start + run
    times = (
        median + lost50,
        cost.p90(median, speeds.factor, lost50, lost90),
        median + mean,
    )
    money = [cost.usd(board.price, one, work.output_gigabytes, board.egress) for one in times]
    obstacle = np.where(fits, Obstacle.NONE, Obstacle.MEMORY)
    obstacle[~board.stocked] = Obstacle.EMPTY
    obstacle[~speeds.known] = Obstacle.SPEED
    return Ways(board, obstacle.astype(np.int64), start, interval, *times, *money)


def running_by_scale(work: Footprint, board: Board) -> tuple[Floats, Floats, Flags]:
    """Of one unit by scale, (w, scales): seconds of iterations, and of one checkpoint; what fits."""
    speeds = board.speeds(work.extractor, work.precision)
    size = np.array([width * height / MEGA for width, height, _ in work.scales])
    iterations = np.array([float(count) for _, _, count in work.scales])
    pace, fits = paces(work, board)
    whole = gang.equivalent(
        size[None, :], board.places[:, None].astype(np.float64),
        speeds.p_half[:, None], board.share[:, None],
    )  # fmt: skip
    running = iterations * whole * pace / speeds.rate_inf[:, None]
    sorts, sort = board.keeping
    largest = np.array([saving(work, accelerator) for accelerator in sorts])[sort]
    return running, largest[:, None] * size / (work.width * work.height / MEGA), fits


def _checkpointed(running: Floats, saves: Floats, units: int) -> tuple[Floats, Floats]:
    """Seconds of all units with their checkpoints, and the interval at the largest scale.

    As often as a print is kept where nothing threatens it: see ``planner.checkpoint_interval``.
    """
    interval = np.maximum(CHECKPOINT_SECONDS, saves / CHECKPOINT_SHARE)
    seconds = running + saves * (running // interval)
    return units * seconds.sum(axis=1), interval[:, -1]


def _stretches(
    each: Floats, saves: Floats, running: Floats, board: Board, units: int
) -> tuple[Floats, Floats, Floats]:
    """Of ways that may be taken away: productive seconds, and seconds and interval of checkpoints.

    Young's interval for a checkpoint of mean size, but never more of the time than a run may give to
    them. Units shorter than that need none: where one ends is as good.
    """
    risky = board.risky
    risk = board.threat
    one = each[risky]
    save = (saves[risky] * running[risky]).sum(axis=1) / one
    tau = np.maximum(np.sqrt(2 * save * risk.seconds / risk.events), save / CHECKPOINT_SHARE)
    return one * units, np.where(one <= tau, 0.0, save), np.maximum(tau, LEAST_INTERVAL)


def _loaded(work: Footprint, board: Board) -> Floats:
    """Seconds of the start-up that fall away where the extractor is loaded already."""
    if not any(pool.loaded for pool in board.pools):
        return np.zeros(len(board.pool))
    saved = [
        pool.accelerator.weights_seconds if work.extractor in pool.loaded else 0.0
        for pool in board.pools
    ]
    return np.asarray(np.minimum(np.array(saved)[board.pool], board.startup))
