"""Pools as the runs on them have corrected them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from farm.clock import Clock
from farm.route.accelerator import Pool
from farm.route.learning import HALF_LIFE_DAYS, corrected
from farm.spec.cost import Exposure, Pace

FRESH_SECONDS = 15.0
RUNS = 40
"""Of each pool and extractor; the weight of older ones is below a hundredth."""
DAY = 86_400.0


class Seen(Protocol):
    """What the queue remembers of runs."""

    def paces(self, pool: str, extractor: str, limit: int = 50) -> Sequence[tuple[float, Pace]]:
        """The newest attempts' paces there, newest first, each with the time when it began."""
        ...

    def exposures(self, since: float) -> Sequence[Exposure]:
        """What was seen of every pool since the day of that moment."""
        ...


class Learner:
    """Looks at what there is, and says it with what is learnt about it.

    Args:
        pools: what the catalogue and the cluster say there is.
        fresh: seconds for which what was learnt is not looked up again.
    """

    def __init__(
        self,
        pools: Callable[[], Sequence[Pool]],
        seen: Seen,
        clock: Clock,
        fresh: float = FRESH_SECONDS,
    ) -> None:
        self._pools, self._seen, self._clock, self._fresh = pools, seen, clock, fresh
        self._plain: tuple[Pool, ...] = ()
        self._known: tuple[Pool, ...] = ()
        self._looked = float("-inf")

    def __call__(self) -> tuple[Pool, ...]:
        """The pools; the same objects for as long as nothing has changed."""
        plain, now = tuple(self._pools()), self._clock.now()
        # A clock that jumps back must not keep what was learnt from being looked up.
        if plain != self._plain or not 0 <= now - self._looked < self._fresh:
            found = self._learnt(plain, now)
            self._known = self._known if found == self._known else found
            self._plain, self._looked = plain, now
        return self._known

    def _learnt(self, pools: Sequence[Pool], now: float) -> tuple[Pool, ...]:
        exposures = self._seen.exposures(now - 5 * HALF_LIFE_DAYS * DAY)
        return tuple(
            corrected(
                pool,
                {name: self._paces(pool.name, name) for name in pool.accelerator.speeds},
                [seen for seen in exposures if seen.pool == pool.name],
                now // DAY,
            )
            for pool in pools
        )

    def _paces(self, pool: str, extractor: str) -> list[tuple[float, Pace]]:
        return list(reversed(self._seen.paces(pool, extractor, RUNS)))
