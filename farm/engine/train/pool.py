"""Pictures to train on, of which some are replaced by new ones all the time.

New pictures are made ahead by worker processes, and which pictures there are depends on the step alone:
a run that is resumed, or made with other workers, sees the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from farm.catalog import procedural
from farm.engine.train.data import Recipe, make
from farm.engine.train.split import training_recipe

MIX = (*procedural.STYLE_GENERATORS, "scene", "scene")
"""Generators by turns; a place in the pool always holds pictures of one of them."""

_AHEAD = 4


@dataclass(frozen=True)
class PoolPlan:
    """How many pictures there are and how many come new.

    Args:
        per: pictures of each entry of ``MIX``.
        side: of the pictures, in pixels.
        every: steps after which one of each entry is replaced; 0 for never.
        seed: of the first picture of each generator.
    """

    per: int
    side: int
    every: int
    seed: int

    @property
    def size(self) -> int:
        """Pictures in the pool."""
        return self.per * len(MIX)

    def recipe(self, number: int) -> Recipe:
        """Which picture is the ``number``-th that is made."""
        turn, entry = divmod(number, len(MIX))
        # The two entries of scenes share a generator, so they take its seeds in turn.
        double = MIX.count(MIX[entry])
        picked = double * turn + (entry - MIX.index(MIX[entry]))
        return training_recipe(MIX[entry], picked, self.side, self.seed)

    def refreshed(self, step: int) -> int:
        """How often pictures have been replaced before that step."""
        return step // self.every if self.every else 0


class Pool:
    """The pictures ``(n, 3, side, side)`` uint8 on a device; used as a context."""

    def __init__(self, plan: PoolPlan, step: int, workers: int, device: torch.device) -> None:
        self._plan, self._round = plan, plan.refreshed(step)
        self._workers = ProcessPoolExecutor(workers)
        self._coming: deque[list[Future[np.ndarray]]] = deque()
        self._ahead = self._round
        first = self._round * len(MIX)
        made = self._workers.map(make, map(plan.recipe, range(first, first + plan.size)), chunksize=8)
        pictures = torch.empty(plan.size, 3, plan.side, plan.side, dtype=torch.uint8)
        for number, picture in enumerate(made, start=first):
            pictures[number % plan.size] = _tensor(picture)
        self.pictures = pictures.to(device)
        kinds = np.array([MIX[place % len(MIX)] for place in range(plan.size)])
        self.scenes = torch.from_numpy(np.flatnonzero(kinds == "scene"))
        self.styles = torch.from_numpy(np.flatnonzero(kinds != "scene"))

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(cancel_futures=True)

    def go_to(self, step: int) -> None:
        """Replace what is due before that step; waits for the workers where they are behind."""
        due = self._plan.refreshed(step)
        while self._round < due:
            self._order(due + _AHEAD)
            numbers = self._numbers(self._round)
            for number, future in zip(numbers, self._coming.popleft(), strict=True):
                self.pictures[number % self._plan.size] = _tensor(future.result()).to(
                    self.pictures.device
                )
            self._round += 1
        if self._plan.every:
            self._order(due + _AHEAD)

    def _order(self, until: int) -> None:
        while self._ahead < until:
            recipes = [self._plan.recipe(number) for number in self._numbers(self._ahead)]
            self._coming.append([self._workers.submit(make, recipe) for recipe in recipes])
            self._ahead += 1

    def _numbers(self, turn: int) -> Sequence[int]:
        first = self._plan.size + turn * len(MIX)
        return range(first, first + len(MIX))


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)
