"""The pools as arrays: every pool with every gang that its machines hold is a way to run a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from farm.route import gang
from farm.route.accelerator import Accelerator, Pool
from farm.route.cost import p90_factor
from farm.route.preemption import Hazard, hazard

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Speeds:
    """How fast each way is with one extractor in one precision; all (ways,).

    ``factor`` is what nine of ten runs stay under, over the median; ``known`` is whether the speed is.
    """

    rate_inf: Floats
    p_half: Floats
    factor: Floats
    known: Flags
    measured: Flags


@dataclass(frozen=True, eq=False)
class Board:
    """Pools compiled to arrays of w ways; made once whenever the pools change.

    Args:
        pools: what there is.
        pool: index of each way's pool, (w,).
        devices: ranks that share the picture, (w,).
        places: accelerators that they take and that are paid for, (w,). The ranks of a processor
            share one.
    """

    pools: tuple[Pool, ...]
    pool: Ints
    devices: Ints
    places: Ints
    _speeds: dict[tuple[str, str], Speeds] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(pools: Sequence[Pool], devices: int | None = None) -> Board:
        """All ways; with ``devices`` given, only gangs of so many."""
        ways = [(i, n) for i, pool in enumerate(pools) for n in _gangs(pool, devices)]
        index = np.array([i for i, _ in ways], dtype=np.int64)
        count = np.array([n for _, n in ways], dtype=np.int64)
        processor = np.array([pools[i].accelerator.kind == "cpu" for i in index], dtype=bool)
        return Board(tuple(pools), index, count, np.where(processor, 1, count).astype(np.int64))

    def ways_of(self, pool: int) -> slice:
        """The ways of a pool, which lie side by side."""
        first, after = np.searchsorted(self.pool, [pool, pool + 1])
        return slice(int(first), int(after))

    @cached_property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """Of each way."""
        return tuple(self.pools[i].accelerator for i in self.pool)

    @cached_property
    def by_memory(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Gangs of so many devices that count in the same numbers: their ways, by their memory."""
        groups: dict[tuple[int, int, str], list[int]] = defaultdict(list)
        for way, accelerator in enumerate(self.accelerators):
            devices = int(self.devices[way])
            groups[devices, accelerator.number_bytes, accelerator.kind].append(way)
        return tuple(
            (devices, tuple(sorted(ways, key=lambda way: self.accelerators[way].memory_gb)))
            for (devices, _, _), ways in groups.items()
        )

    @cached_property
    def keeping(self) -> tuple[tuple[Accelerator, ...], Ints]:
        """One accelerator of each pace of checkpoints, and which of them each way has."""
        paces = [pool.accelerator.checkpoint_seconds for pool in self.pools]
        one = {pace: pool.accelerator for pace, pool in zip(paces, self.pools, strict=True)}
        order = list(one)
        which = np.array([order.index(pace) for pace in paces], dtype=np.int64)
        return tuple(one.values()), np.asarray(which[self.pool])

    @cached_property
    def price(self) -> Floats:
        """USD per second of each way, all its accelerators together."""
        each = np.array([pool.price / 3600 for pool in self.pools])
        return np.asarray(each[self.pool] * self.places)

    @cached_property
    def egress(self) -> Floats:
        """USD for a gigabyte of results."""
        return self._of([pool.egress_usd_gb for pool in self.pools])

    @cached_property
    def start(self) -> Floats:
        """Seconds from the decision to the first iteration, with nothing loaded yet."""
        up = [pool.count if pool.up is None else pool.up for pool in self.pools]
        boot = np.where(self._of(up) < self.places, self.boot, 0.0)
        return np.asarray(boot + self.startup)

    @cached_property
    def startup(self) -> Floats:
        """Seconds from a machine that is up to the first iteration."""
        return self._of([pool.accelerator.startup_seconds for pool in self.pools])

    @cached_property
    def boot(self) -> Floats:
        """Seconds until a machine that is not up is."""
        return self._of([pool.boot_seconds for pool in self.pools])

    @cached_property
    def share(self) -> Floats:
        """Of an iteration, what does not shrink with more devices."""
        return self._of([pool.accelerator.gang_share for pool in self.pools])

    @cached_property
    def spot(self) -> Flags:
        """Whether a way's capacity may be taken away by contract."""
        return np.array([pool.market == "spot" for pool in self.pools], dtype=bool)[self.pool]

    @cached_property
    def stocked(self) -> Flags:
        """Whether its pool has that many accelerators, on one machine."""
        count = np.array([pool.count for pool in self.pools], dtype=np.int64)[self.pool]
        return np.asarray((count >= self.places) & (self._of(self._machines) >= self.places))

    @cached_property
    def risk(self) -> Hazard:
        """How often each way's capacity is taken away."""
        return hazard([pool.preemption for pool in self.pools]).take(self.pool)

    @cached_property
    def risky(self) -> NDArray[np.int64]:
        """The ways that may be taken away at all."""
        return np.flatnonzero(self.risk.events > 0)

    @cached_property
    def threat(self) -> Hazard:
        """How often those are."""
        return self.risk.take(self.risky)

    def speeds(self, extractor: str, precision: str) -> Speeds:
        """Those of every way, looked up once for each extractor and precision."""
        found = self._speeds.get((extractor, precision))
        if found is None:
            found = self._speeds[extractor, precision] = self._lookup(extractor, precision)
        return found

    @property
    def _machines(self) -> list[int]:
        return [pool.machine for pool in self.pools]

    def _lookup(self, extractor: str, precision: str) -> Speeds:
        found = [pool.accelerator.speeds.get(extractor) for pool in self.pools]
        swift = [pool.accelerator.precisions.get(precision, 1.0) for pool in self.pools]
        return Speeds(
            self._of([one.rate_inf if one else 1.0 for one in found]) * self._of(swift),
            self._of([one.p_half if one else 0.0 for one in found]),
            self._of([p90_factor(one) if one else 1.0 for one in found]),
            self._of([one is not None for one in found]) > 0,
            self._of([one is not None and one.calibrated for one in found]) > 0,
        )

    def _of(self, values: Sequence[float]) -> Floats:
        """Values of the pools, for each way."""
        return np.asarray(values, dtype=np.float64)[self.pool]


def _gangs(pool: Pool, devices: int | None) -> tuple[int, ...]:
    if devices is not None:
        return (devices,)
    return (1,) if pool.accelerator.kind == "cpu" else gang.sizes(pool.machine)
