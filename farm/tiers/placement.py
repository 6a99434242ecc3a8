"""Room for a gang: as many bundles on one machine as there are ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from farm.dispatch.retry import MachineTaken, NoRoom
from farm.errors import FarmError, InvalidInput
from farm.tiers.census import nodes
from farm.tiers.pools import machines_of

PLACEMENT_SECONDS = 60.0
LOOK_SECONDS = 1.0
"""How often a gang that waits for its place looks whether its pool is still there."""
Resources = Mapping[str, float]


def bundle(*, gpu: bool) -> dict[str, float]:
    """What one rank takes of a machine."""
    return {"CPU": 1, "GPU": 1} if gpu else {"CPU": 1}


def place(
    name: str, devices: int, pool: str, *, gpu: bool, labels: Mapping[str, str] | None = None
) -> PlacementGroup:
    """Room for ``devices`` ranks on one machine that has those labels.

    Raises:
        NoRoom: there was no place for them in time; asking on would wait for ever.
        MachineTaken: the pool's last machine has gone meanwhile, or goes away. Another pool is next.
    """
    group: PlacementGroup = placement_group(
        [dict(bundle(gpu=gpu))] * devices, strategy="STRICT_PACK", name=name,
        bundle_label_selector=[dict(labels)] * devices if labels else None,
    )  # fmt: skip
    try:
        _wait(group, pool)
    except FarmError:
        remove_placement_group(group)
        raise
    return group


def _wait(group: PlacementGroup, pool: str) -> None:
    """Until it has its place. A pool that vanishes meanwhile is not waited for."""
    ready, until = group.ready(), monotonic() + PLACEMENT_SECONDS
    while not ray.wait([ready], timeout=LOOK_SECONDS)[0]:
        if not startable() and not machines_of(pool):
            raise MachineTaken(
                f"the last machine of pool {pool!r} went away before the print was there"
            )
        if monotonic() > until:
            raise NoRoom(
                f"pool {pool!r} had no free place within {PLACEMENT_SECONDS:.0f} s; "
                "the task waits for its next turn."
            )


def size_of(devices: int, most: int) -> int:
    """Ranks of a gang: as many as asked for, or as many as are left together.

    The machine that a task began on may be gone for good. Where there is none at all now, one may come.
    """
    return min(devices, most) if most else devices


def check(devices: int, most: int, *, gpu: bool) -> None:
    """Refuse a gang that no machine can hold. Where there is none at all now, one may come.

    Raises:
        InvalidInput: ``devices`` is more than ``most``, and ``most`` is not 0.
    """
    if 0 < most < devices:
        raise InvalidInput(
            f"engine.devices: {devices} are asked for, and no machine of this farm has more than "
            f"{most} {'GPU' if gpu else 'processor core'}{'' if most == 1 else 's'}; "
            f"ask for at most {most}.",
            field="engine.devices",
        )


def most_together(there: Iterable[Resources], one: Resources) -> int:
    """How many bundles like ``one`` the largest machine holds when it is empty."""
    fits = (min(machine.get(name, 0) // amount for name, amount in one.items()) for machine in there)
    return int(max(fits, default=0))


def machines() -> list[Resources]:
    """What each machine of the cluster has, and each that its autoscaler could start."""
    return [*(node.resources for node in nodes() if node.alive), *startable()]


def startable() -> list[Resources]:
    """Node types that the autoscaler knows. Ray has no public call for it; Serve uses this one too."""
    from ray._private.state import state

    config = state.get_cluster_config()
    if config is None:
        return []
    return [dict(group.resources) for group in config.node_group_configs if group.max_count]
