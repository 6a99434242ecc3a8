"""Policies on the same trace, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import process_time

from farm.errors import InvalidInput
from farm.route.simulate.door import admitted
from farm.route.simulate.loop import Loop
from farm.route.simulate.physics import Physics
from farm.route.simulate.policies import (
    cheapest_per_hour,
    fastest_first,
    first_fit,
    timely_per_hour,
)
from farm.route.simulate.record import Record
from farm.route.simulate.report import Outcome, outcomes
from farm.route.simulate.routed import Routed
from farm.route.simulate.trace import Trace
from farm.route.simulate.world import Policy, World
from farm.spec.base import suggestion

POLICIES: Mapping[str, Callable[[World], Policy]] = {
    "farm": Routed,
    "cheapest-per-hour": cheapest_per_hour,
    "cheapest-per-hour-in-time": timely_per_hour,
    "first-fit": first_fit,
    "fastest-first": fastest_first,
}
"""What can be compared, by name."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came of each policy: figures and histories, in the same order."""

    trace: Trace
    outcomes: Sequence[Outcome]
    records: Sequence[Record]


def compare(
    trace: Trace, policies: Sequence[str] = tuple(POLICIES), seed: int = 0,
    said: Callable[[str], None] = lambda text: None,
) -> Comparison:  # fmt: skip
    """Run ``policies`` through ``trace``; the same arguments give the same figures, but wall times.

    Args:
        seed: of preemptions.
        said: told what is under way.

    Raises:
        InvalidInput: there is no policy of that name.
    """
    for name in policies:
        if name not in POLICIES:
            raise InvalidInput(
                f"policy: no policy {name!r}; {suggestion(name, list(POLICIES))}", field="policy"
            )
    physics, door = Physics(trace), admitted(trace)
    records, walls = [], []
    for name in dict.fromkeys(policies):
        said(f"Simulating {len(trace.orders)} orders with {name} …")
        world, began = World(trace), process_time()
        records.append(Loop(world, POLICIES[name](world), physics, door, seed).run())
        walls.append(process_time() - began)
    return Comparison(trace, outcomes(records, walls), records)
