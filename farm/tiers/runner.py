"""Starting gangs: as many ranks as a job asks for, placed together, as its past calls for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from farm.dispatch.desk import devices_of
from farm.dispatch.quotes import ranks_of
from farm.dispatch.retry import Conditions, NoRoom
from farm.route.accelerator import Pool
from farm.route.calibration import LOCAL_POOL
from farm.spec.record import Lease
from farm.spec.routing import Decision
from farm.tiers.census import nodes
from farm.tiers.crew import Crew, crew_name, hire
from farm.tiers.gang import SILENCE_SECONDS, Gang
from farm.tiers.graves import Graves
from farm.tiers.idle import IdleCrews
from farm.tiers.placement import bundle, check, machines, most_together, place, size_of, startable
from farm.tiers.pools import capacity, has_gpus, machines_of, selector
from farm.tiers.rank import RankOptions, Seat
from farm.tiers.watchers import Watchers


class GangRunner:
    """Starts the ranks that a job asks for, in a placement group of their own on one machine.

    Args:
        pools: those that decisions name, which tell what ranks run on.
        idle: crews whose work is done, which are set to work again before others are started.
    """

    def __init__(
        self, options: RankOptions, pools: Callable[[], Sequence[Pool]], watchers: Watchers,
        idle: IdleCrews, silence: float = SILENCE_SECONDS,
    ) -> None:  # fmt: skip
        self._options, self._pools, self._watchers = options, pools, watchers
        self._graves, self._idle, self._silence = Graves(watchers), idle, silence

    def start(self, lease: Lease, decision: Decision, conditions: Conditions) -> Gang:
        """Place and start the ranks.

        Raises:
            InvalidInput: no machine has as many devices as the job asks for.
            NoRoom: there is no place for them, or was none in time.
            MachineTaken: the pool has vanished meanwhile.
        """
        pool = decision.chosen.pool
        gpu, wanted = self._has_gpus(pool), devices_of(lease, decision.chosen)
        asked = ranks_of(lease.spec) is not None
        if asked and lease.attempt == 1 and all(node.alive for node in nodes()):
            # A machine that was lost may come back; the next attempt makes do with what is left.
            check(wanted, most_together(machines(), bundle(gpu=gpu)), gpu=gpu)
        most = self.together(pool, conditions.avoid)
        size = wanted if asked and lease.attempt == 1 else size_of(wanted, most)
        if most < size and not startable():
            raise NoRoom(
                f"pool {pool!r} has no machine with {size} devices to be used now; the task waits."
            )
        crew = self._idle.take(pool, size, conditions.avoid)
        if crew is None:
            crew = self._hired(pool, size, conditions.avoid, gpu=gpu)
        seat = Seat(gpu=gpu, shrink=conditions.shrink)
        return Gang(lease, crew, self._idle, watchers=self._watchers, seat=seat, silence=self._silence)

    def bury(self, task: str, attempt: int) -> bool:
        """End all ranks of that attempt. True once their processes are known to be gone."""
        return self._graves.bury(task, attempt)

    def gone(self, worker: str) -> bool:
        """Whether the dispatcher of that name is known to be gone."""
        return self._graves.gone(worker)

    def together(self, pool: str, avoid: Collection[str]) -> int:
        """Most devices that one machine of the pool has, besides those on the nodes to be avoided."""
        return most_together(machines_of(pool, avoid), bundle(gpu=self._has_gpus(pool)))

    def takes(self, lease: Lease) -> int:
        """Places: its GPUs, or one where an attempt has a machine's processors for itself."""
        if not any(has_gpus(node) for node in nodes() if node.alive):
            return 1
        return ranks_of(lease.spec) or 1

    def capacity(self, avoid: Collection[str]) -> int:
        """Places that there are on nodes not to be avoided."""
        return capacity(avoid)

    def _hired(self, pool: str, size: int, avoid: Collection[str], *, gpu: bool) -> Crew:
        self._idle.make_room(pool)
        name = crew_name()
        group = place(name, size, pool, gpu=gpu, labels=selector(pool, avoid))
        return hire(name, pool, group, size, self._options, self._graves, gpu=gpu)

    def _has_gpus(self, name: str) -> bool:
        """Also of a pool that has vanished since it was chosen; nothing can be placed there then."""
        found = (pool.accelerator.kind == "cuda" for pool in self._pools() if pool.name == name)
        return next(found, name != LOCAL_POOL)
