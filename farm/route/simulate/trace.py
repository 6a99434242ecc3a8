"""A trace: a fleet, the jobs that people order over days, and what the market does meanwhile.

As a file it is JSON lines. The first is the head: the pools as they are at second 0, footprints and
projects by name, and how fast accelerators truly are beside their catalogue. Each further line is a
job or a change of a pool, in the order of their seconds::

    {"trace": 1, "name": "diurnal", "seed": 7, "seconds": 86400, "pools": [...], "works": {...}, ...}
    {"at": 3.2, "job": "a3-standard", "project": "studio-04", "due": 14400}
    {"at": 3600, "pool": "l4-spot", "usd_per_hour": 0.31, "count": 120, "preemptions_per_hour": 0.05}

A job may have ``due`` (seconds of the trace), ``budget`` (USD) and ``"spot": false``. A change names
only what changes. Policies see prices and counts at once; preemptions and speeds they have to learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from farm.route.accelerator import Pool
from farm.route.footprint import Footprint

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Project:
    """Who orders, and what all of its jobs together may cost."""

    name: str
    cap_usd: float | None = None


@dataclass(frozen=True, eq=False)
class Orders:
    """All jobs, by the second they are ordered; arrays of one length.

    ``work`` and ``project`` are indices. ``due`` is the second of the trace and ``budget`` USD, both
    infinite where there is none.
    """

    at: Floats
    work: Integers
    project: Integers
    due: Floats
    budget: Floats
    spot: Flags

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Change:
    """What becomes of a pool at a second; None: that stays as it is."""

    at: float
    pool: int
    usd_per_hour: float | None = None
    count: int | None = None
    preemptions_per_hour: float | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """Everything a simulation is given, whatever the policy.

    Args:
        seconds: when orders end; what is under way is finished.
        works: footprints by name; orders refer to their position.
        speeds: by accelerator, how fast it truly is over what its catalogue says; 1 where unnamed.
        changes: by their seconds.
    """

    name: str
    seed: int
    seconds: float
    pools: tuple[Pool, ...]
    works: Mapping[str, Footprint]
    projects: tuple[Project, ...]
    orders: Orders
    changes: tuple[Change, ...] = ()
    speeds: Mapping[str, float] = field(default_factory=dict)

    @property
    def footprints(self) -> tuple[Footprint, ...]:
        """The footprints in the order that ``orders.work`` counts in."""
        return tuple(self.works.values())
