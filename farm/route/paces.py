"""What tiles, halos and neighbours' rows make of an iteration, for every way of a board."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from farm.engine.planner import SAFETY
from farm.route.accelerator import Accelerator
from farm.route.board import Board, Flags, Floats
from farm.route.footprint import Fit, Footprint, fit


def paces(work: Footprint, board: Board) -> tuple[Floats, Flags]:
    """The engine's pace at each scale, (w, scales), and which ways have the memory for it, (w,).

    Of ways with the same gang and numbers the engine's planner is asked for few: the best plan for the
    most memory is the best wherever it fits, and what the least and the most memory agree on holds
    between them, as plans that fit stay plans that fit.
    """
    pace = np.ones((len(board.pool), len(work.scales)))
    fits = np.zeros(len(board.pool), dtype=bool)
    for devices, ways in board.by_memory:
        for way, one in zip(ways, _between(work, board, devices, ways), strict=True):
            if one is not None:
                pace[way], fits[way] = one.scales, True
    return pace, fits


def _between(work: Footprint, board: Board, devices: int, ways: Sequence[int]) -> list[Fit | None]:
    """The fit of each of ``ways``, which are in the order of their memory."""
    first, last = board.accelerators[ways[0]], board.accelerators[ways[-1]]
    most = fit(work, last, devices)
    if most is not None and most.gigabytes <= first.memory_gb * SAFETY * _part(first, devices):
        return [most] * len(ways)
    least = fit(work, first, devices)
    if len(ways) <= 2 or least == most:
        return [least] * (len(ways) - 1) + [most]
    half = len(ways) // 2
    return [
        *_between(work, board, devices, ways[: half + 1])[:-1],
        *_between(work, board, devices, ways[half:]),
    ]


def _part(accelerator: Accelerator, devices: int) -> float:
    """Of an accelerator's memory, what one rank of a gang has."""
    return 1 / devices if accelerator.kind == "cpu" else 1.0
