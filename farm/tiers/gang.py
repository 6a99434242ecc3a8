"""Print gangs: the ranks of one attempt, which live and die together, and their handle.

The picture is shared by rows, so none of the ranks can go on without the others: when one fails all are
killed, and the task goes back to be taken up from its last checkpoint.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import PlacementGroup, remove_placement_group

from farm.dispatch.ports import Stop
from farm.dispatch.retry import MemoryKilled, WorkerLost
from farm.errors import Unavailable
from farm.spec.event import Event, parse_event
from farm.spec.record import Lease
from farm.tiers.blame import MEMORY_KILLED, blamed, is_at_fault, told
from farm.tiers.census import actor
from farm.tiers.graves import Graves
from farm.tiers.rank import Berth, Seat
from farm.tiers.watchers import Watchers

START_SECONDS = 120.0
"""How long the processes of a gang may take to come up."""
FAREWELL_SECONDS = 5.0
"""How long after a rank was lost the others may tell why, before all are killed."""
SILENCE_SECONDS = 120.0
"""A rank whose control calls go unanswered for so long is taken for lost."""
ANSWER_SECONDS = 2.0
ALONE = Seat()
log = logging.getLogger(__name__)


class Gang:
    """The ranks of one attempt, as the dispatcher sees them: rank 0 speaks for all."""

    def __init__(
        self, lease: Lease, group: PlacementGroup, ranks: Sequence[Any], graves: Graves, *,
        watchers: Watchers, seat: Seat = ALONE, silence: float = SILENCE_SECONDS,
    ) -> None:  # fmt: skip
        self._lease, self._group, self._ranks, self._graves = lease, group, ranks, graves
        self._watchers, self._seat, self._silence = watchers, seat, silence
        self._berths: list[Berth] = []
        self._asked: dict[int, tuple[Any, float]] = {}
        self._tail = ""
        self._lock = threading.Lock()
        self._gone: bool | None = None

    def events(self) -> Iterator[Event]:
        """Rank 0's events. When a rank fails all are killed, within ``FAREWELL_SECONDS``.

        Raises the error of the rank at fault, ``WorkerLost`` if its process is gone.
        """
        stream, calls = self._begin()
        ranks: dict[Any, int] = {call: number for number, call in enumerate(calls)}
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
                failures.append(self._why(error, ranks[call]))
                if is_at_fault(failures[-1]):
                    break
                until = until or monotonic() + FAREWELL_SECONDS
            else:
                if call is stream:
                    yield parse_event(said)
                else:
                    calls.remove(call)
        self._tail = self._last_words(failures)
        self.kill()
        raise blamed(failures)

    def stop(self, how: Stop) -> None:
        """Ask rank 0 to end at its next iteration; it tells the others."""
        self._ranks[0].stop.remote(how)

    def keep(self, seconds: float) -> None:
        """Let the ranks go on for so long. One that has answered nothing for too long is ended."""
        for number, rank in enumerate(self._ranks):
            call, since = self._asked.get(number, (None, 0.0))
            if call is not None and not ray.wait([call], timeout=0)[0]:
                if self._berths and monotonic() - since > self._silence:
                    log.warning("rank %d is silent, so it is ended", number)
                    ray.kill(rank, no_restart=True)
                continue
            self._asked[number] = (rank.keep.remote(seconds), monotonic())

    def tail(self) -> str:
        """What the ranks logged last before they were killed for a failure."""
        return self._tail

    def kill(self) -> bool:
        """End the ranks and give their places back. True once their processes are known to be gone."""
        with self._lock:
            if self._gone is None:
                for rank in self._ranks:
                    ray.kill(rank, no_restart=True)
                remove_placement_group(self._group)
            if not self._gone:
                self._gone = self._graves.bury_ranks(self._ranks)
            return self._gone

    def _begin(self) -> tuple[Any, list[Any]]:
        """Set all to work: rank 0's stream, and all calls to wait for, that one first."""
        first, *others = self._ranks
        self._berths = self._prepared()
        port, size = self._berths[0].port, len(self._ranks)
        seats = [replace(self._seat, rank=rank, size=size, port=port) for rank in range(size)]
        stream = first.render.options(num_returns="streaming").remote(self._lease, seats[0])
        calls = [
            rank.follow.remote(self._lease, seat) for rank, seat in zip(others, seats[1:], strict=True)
        ]
        return stream, [stream, *calls]

    def _prepared(self) -> list[Berth]:
        """Wait until all ranks are up.

        Raises:
            Unavailable: one of them did not come up in time.
        """
        try:
            berths: list[Berth] = ray.get(
                [rank.prepare.remote() for rank in self._ranks], timeout=START_SECONDS
            )
        except GetTimeoutError:
            raise Unavailable(
                f"engine.devices: {len(self._ranks)} print processes did not come up within "
                f"{START_SECONDS:.0f} s; the task waits for its next turn."
            ) from None
        except RayError as error:
            raise told(error) from None
        return berths

    def _why(self, error: RayError, rank: int) -> Exception:
        """What a rank raised; a kill for memory where Ray or the kernel tell of one."""
        found = told(error)
        if type(found) is not WorkerLost:
            return found
        berth, known = self._berths[rank], actor(self._ranks[rank]._actor_id.hex())
        by_ray = known is not None and known.out_of_memory
        by_kernel = self._watchers.memory_kills(berth.node) > berth.memory_kills
        return MemoryKilled(MEMORY_KILLED) if by_ray or by_kernel else found

    def _last_words(self, failures: Sequence[Exception]) -> str:
        """The logs of the ranks that can still be asked, and why others cannot."""
        words = [f"the attempt ended: {failure}" for failure in failures]
        for number, rank in enumerate(self._ranks):
            try:
                words.append(f"rank {number}:\n{ray.get(rank.tail.remote(), timeout=ANSWER_SECONDS)}")
            except (RayError, GetTimeoutError):
                berth = self._berths[number]
                words.append(f"rank {number}: its process on node {berth.node} is gone")
        return "\n".join(words)


def rank_name(task: str, attempt: int, rank: int) -> str:
    """What Ray and its dashboard call a rank."""
    return f"print {task} attempt {attempt} rank {rank}"
