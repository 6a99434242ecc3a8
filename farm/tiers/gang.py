"""Print gangs: the ranks of one attempt, which live and die together, and their handle.

The picture is shared by rows, so none of the ranks can go on without the others: when one fails all are
killed, and the task goes back to be taken up from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from farm.dispatch.ports import Stop
from farm.errors import Unavailable
from farm.route.accelerator import Pool
from farm.spec.event import Event, parse_event
from farm.spec.record import Lease
from farm.spec.routing import Decision
from farm.tiers.blame import blamed, is_at_fault, told
from farm.tiers.placement import bundle, place
from farm.tiers.rank import PrintRank, RankOptions, Seat

START_SECONDS = 120.0
"""How long the processes of a gang may take to come up."""
FAREWELL_SECONDS = 5.0
"""How long after a rank was lost the others may tell why, before all are killed."""


class Gang:
    """The ranks of one attempt, as the dispatcher sees them: rank 0 speaks for all."""

    def __init__(
        self, lease: Lease, group: PlacementGroup, ranks: Sequence[Any], *, gpu: bool = False
    ) -> None:
        self._lease, self._group, self._ranks, self._gpu = lease, group, ranks, gpu
        self._ended = False

    def events(self) -> Iterator[Event]:
        """Rank 0's events. When a rank fails all are killed, within ``FAREWELL_SECONDS``.

        Raises the error of the rank at fault, ``WorkerLost`` if its process is gone.
        """
        stream, calls = self._begin()
        failures: list[Exception] = []
        until: float | None = None
        while calls:
            left = None if until is None else max(0.0, until - monotonic())
            ready, _ = ray.wait(calls, timeout=left)
            if not ready:
                break
            call: Any = ready[0]
            try:
                said = ray.get(next(stream) if call is stream else call)
            except StopIteration:
                if not failures:
                    return
                calls.remove(call)
            except RayError as error:
                calls.remove(call)
                failures.append(told(error))
                if is_at_fault(failures[-1]):
                    break
                until = until or monotonic() + FAREWELL_SECONDS
            else:
                if call is stream:
                    yield parse_event(said)
                else:
                    calls.remove(call)
        self.kill()
        raise blamed(failures)

    def stop(self, how: Stop) -> None:
        """Ask rank 0 to end at its next iteration; it tells the others."""
        self._ranks[0].stop.remote(how)

    def kill(self) -> None:
        """End the ranks and give their places back."""
        if self._ended:
            return
        self._ended = True
        for rank in self._ranks:
            ray.kill(rank, no_restart=True)
        remove_placement_group(self._group)

    def _begin(self) -> tuple[Any, list[Any]]:
        """Set all to work: rank 0's stream, and all calls to wait for, that one first."""
        first, *others = self._ranks
        size = len(self._ranks)
        port = self._prepared() if others else 0
        seats = [Seat(rank, size, port, self._gpu) for rank in range(size)]
        stream = first.render.options(num_returns="streaming").remote(self._lease, seats[0])
        calls = [
            rank.follow.remote(self._lease, seat) for rank, seat in zip(others, seats[1:], strict=True)
        ]
        return stream, [stream, *calls]

    def _prepared(self) -> int:
        """Wait until all ranks are up; the port on which rank 0 will meet the others.

        Raises:
            Unavailable: one of them did not come up in time.
        """
        try:
            ports: list[int] = ray.get(
                [rank.prepare.remote() for rank in self._ranks], timeout=START_SECONDS
            )
        except GetTimeoutError:
            raise Unavailable(
                f"engine.devices: {len(self._ranks)} print processes did not come up within "
                f"{START_SECONDS:.0f} s; the task waits for its next turn."
            ) from None
        except RayError as error:
            raise told(error) from None
        return ports[0]


class GangRunner:
    """Starts the ranks that a job asks for, in a placement group of their own on one machine.

    Args:
        pools: those that decisions name, which tell what ranks run on.
    """

    def __init__(self, options: RankOptions, pools: Callable[[], Sequence[Pool]]) -> None:
        self._options, self._pools = options, pools

    def start(self, lease: Lease, decision: Decision) -> Gang:
        """Place and start the ranks.

        Raises:
            InvalidInput: no machine has as many devices as the job asks for.
            Unavailable: there was no place for them in time, or the pool is gone.
        """
        pool = decision.chosen.pool
        gpu = self._has_gpus(pool)
        # One pass of a small net is not worth sharing.
        size = 1 if lease.spec.kind == "preview" else lease.spec.engine.devices
        group = place(f"print {lease.task}", size, pool, gpu=gpu)
        ranks = [self._rank(lease, group, number, gpu=gpu) for number in range(size)]
        return Gang(lease, group, ranks, gpu=gpu)

    def _rank(self, lease: Lease, group: PlacementGroup, number: int, *, gpu: bool) -> Any:
        takes = bundle(gpu=gpu)
        return PrintRank.options(  # type: ignore[attr-defined]
            name=rank_name(lease.task, lease.attempt, number),
            num_cpus=takes["CPU"],
            num_gpus=takes.get("GPU", 0),
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, number),
        ).remote(self._options)

    def _has_gpus(self, name: str) -> bool:
        for pool in self._pools():
            if pool.name == name:
                return pool.accelerator.kind == "cuda"
        raise Unavailable(f"pool {name!r} is gone; the task waits for its next turn.")


def rank_name(task: str, attempt: int, rank: int) -> str:
    """What Ray and its dashboard call a rank."""
    return f"print {task} attempt {attempt} rank {rank}"
