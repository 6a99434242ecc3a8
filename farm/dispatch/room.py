"""Where an attempt goes: the pool that was chosen, or the best that has a machine for it now."""

from __future__ import annotations

from collections.abc import Callable

from farm.dispatch.desk import devices_of
from farm.dispatch.past import rerouted
from farm.dispatch.quotes import ranks_of
from farm.errors import Refused
from farm.spec.record import Lease
from farm.spec.routing import Decision

Route = Callable[[Lease], Decision]
Together = Callable[[str], int]
"""Most devices that one machine of a pool has to be used now."""


def routed(lease: Lease, route: Route, together: Together) -> Decision:
    """The decision for an attempt.

    A task that has begun already makes do with fewer devices than it asks for: the machine that it
    began on may be gone for good.

    Raises:
        Refused: no pool can take the job, or keep its wishes.
    """
    if lease.attempt == 1 or ranks_of(lease.spec) is None:
        return _with_room(lease, route(lease), together)
    try:
        decision = _with_room(lease, route(lease), together)
    except Refused:
        return _with_room(lease, route(_of_any_size(lease)), together)
    if together(decision.chosen.pool):
        return decision
    return _with_room(lease, route(_of_any_size(lease)), together)


def _with_room(lease: Lease, decision: Decision, together: Together) -> Decision:
    """The decision, where its pool cannot take the task moved to the best that can."""
    options = [decision.chosen, *decision.alternatives]
    most = {one.pool: together(one.pool) for one in options}
    left = max(1, *most.values()) if lease.attempt > 1 else float("inf")
    wanted = {one.pool: min(devices_of(lease, one), left) for one in options}
    why = f"no machine of {decision.chosen.pool} can take it"
    return rerouted(decision, lambda pool: most[pool] >= wanted[pool], why)


def _of_any_size(lease: Lease) -> Lease:
    """The lease with its gang left to the router."""
    engine = lease.spec.engine.model_copy(update={"devices": "auto"})
    return lease.model_copy(update={"spec": lease.spec.model_copy(update={"engine": engine})})
