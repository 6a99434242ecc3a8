"""What to ask the autoscaler for: room for what runs, and for what waits as far as it is worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Bundle = Mapping[str, float]


@dataclass(frozen=True)
class Limits:
    """What the farm may grow to.

    Args:
        unit: what one device takes of a machine; on processors a whole machine of them.
        most: devices that the farm may ask for at once, those in use included.
    """

    unit: Bundle
    most: int


def demand(ready: int, running: Sequence[int], limits: Limits) -> list[Bundle]:
    """The bundles that the cluster should have room for, in use or not; none when there is no work.

    Args:
        ready: tasks that wait; each is taken for one device, as their jobs are not looked into.
        running: devices of each attempt under way, those that wait for their place included.

    The autoscaler takes the list for the whole of what is wanted, not for what is wanted besides. So
    attempts under way are part of it, and never cut: their machines would be taken from under them.
    """
    busy = sum(running)
    return [limits.unit] * max(busy, min(busy + ready, limits.most))
