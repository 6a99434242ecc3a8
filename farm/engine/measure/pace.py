"""Seconds that a piece of work takes, repeated as often as it is worth."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import perf_counter

import torch
from torch import Tensor


@dataclass(frozen=True)
class Effort:
    """How much a figure may cost: up to ``repeats``, but none after they took ``seconds``.

    ``together`` pieces of work are timed as one and divided: a GPU is given the next ones while it is
    still busy, as in a print, instead of waiting for Python after each.
    """

    repeats: int = 5
    seconds: float = inf
    together: int = 1

    def on(self, device: torch.device) -> Effort:
        """The same with what suits the device."""
        return Effort(self.repeats, self.seconds, 1 if device.type == "cpu" else 8)


@dataclass(frozen=True)
class Pace:
    """Seconds that each repeat of one piece of work took."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least disturbed repeat."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """What to expect."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Standard deviation over the mean; 0 for a single repeat."""
        return statistics.pstdev(self.seconds) / statistics.fmean(self.seconds)


def pace(work: Callable[[], Tensor], effort: Effort, warmups: int = 1) -> Pace:
    """Time ``work``; one number of what it returns is read, so that no device is still busy.

    Warm-ups end early, after the first, once they took half the effort's seconds.
    """
    _timed(work, effort, warmups, effort.seconds / 2)
    return Pace(tuple(_timed(work, effort, effort.repeats, effort.seconds)))


def _timed(work: Callable[[], Tensor], effort: Effort, most: int, seconds: float) -> list[float]:
    """At least one, if any are wanted at all."""
    taken: list[float] = []
    spent = 0.0
    while len(taken) < most and (not taken or spent < seconds):
        began = perf_counter()
        for _ in range(effort.together):
            found = work()
        found.flatten()[0].item()
        spent += perf_counter() - began
        taken.append((perf_counter() - began) / effort.together)
    return taken
