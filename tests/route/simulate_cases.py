"""Small worlds for the simulator, with every time known and nothing drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from farm.route.accelerator import Pool
from farm.route.footprint import Footprint
from farm.route.simulate.comparison import POLICIES
from farm.route.simulate.door import admitted
from farm.route.simulate.loop import Loop
from farm.route.simulate.physics import Physics
from farm.route.simulate.record import Record
from farm.route.simulate.trace import Change, Orders, Project, Trace
from farm.route.simulate.world import World

NEVER = float("inf")


@dataclass(frozen=True)
class Order:
    """One order of the first project, unless it says so."""

    at: float
    work: str
    due: float = NEVER
    budget: float = NEVER
    spot: bool = True
    project: int = 0


def trace(
    pools: Sequence[Pool], works: Mapping[str, Footprint], orders: Sequence[Order],
    changes: Sequence[Change] = (), caps: Sequence[float | None] = (None,), seconds: float = 86400.0,
) -> Trace:  # fmt: skip
    """A trace of what is given; orders by their seconds."""
    names = list(works)
    return Trace(
        "small", 1, seconds, tuple(pools), works,
        tuple(Project(f"p{i}", cap) for i, cap in enumerate(caps)),
        Orders(
            np.array([one.at for one in orders], float),
            np.array([names.index(one.work) for one in orders], np.int64),
            np.array([one.project for one in orders], np.int64),
            np.array([one.due for one in orders], float),
            np.array([one.budget for one in orders], float),
            np.array([one.spot for one in orders], bool),
        ),
        tuple(changes),
    )  # fmt: skip


def loop(given: Trace, policy: str = "farm", *, even: bool = True) -> Loop:
    """A simulation that has not begun; ``even`` runs take exactly what they should."""
    world, physics = World(given), Physics(given)
    if even:
        physics.pace = [1.0] * len(given.orders)
    return Loop(world, POLICIES[policy](world), physics, admitted(given))


def run(given: Trace, policy: str = "farm") -> Record:
    """What comes of it."""
    return loop(given, policy).run()


def quiet(pools: Sequence[Pool]) -> list[Change]:
    """That nothing is taken away by chance, whatever is believed."""
    return [Change(0.0, index, preemptions_per_hour=0.0) for index in range(len(pools))]
