"""Print gangs: a crew at work on one attempt, whose ranks live and die together.

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

from farm.dispatch.ports import Stop
from farm.dispatch.retry import MemoryKilled, WorkerLost
from farm.spec.event import Event, parse_event
from farm.spec.record import Lease
from farm.tiers.blame import MEMORY_KILLED, blamed, is_at_fault, told
from farm.tiers.census import actor
from farm.tiers.crew import Crew
from farm.tiers.idle import IdleCrews
from farm.tiers.posts import Post
from farm.tiers.rank import Seat
from farm.tiers.watchers import Watchers

FAREWELL_SECONDS = 5.0
"""How long after a rank was lost the others may tell why, before all are killed."""
SILENCE_SECONDS = 120.0
"""A rank whose control calls go unanswered for so long is taken for lost."""
ANSWER_SECONDS = 2.0
ALONE = Seat()
log = logging.getLogger(__name__)


class Gang:
    """One attempt, as the dispatcher sees it: rank 0 speaks for all.

    Args:
        idle: where the crew goes when its work is done.
    """

    def __init__(
        self, lease: Lease, crew: Crew, idle: IdleCrews, *,
        watchers: Watchers, seat: Seat = ALONE, silence: float = SILENCE_SECONDS,
    ) -> None:  # fmt: skip
        self._lease, self._crew, self._idle = lease, crew, idle
        self._watchers, self._seat, self._silence = watchers, seat, silence
        self._up = self._released = False
        self._asked: dict[int, tuple[Any, float]] = {}
        self._tail = ""
        self._said = self._listen()
        self._lock = threading.Lock()

    def events(self) -> Iterator[Event]:
        """Rank 0's events, once. When a rank fails all are killed, within ``FAREWELL_SECONDS``.

        Raises the error of the rank at fault, ``WorkerLost`` if its process is gone.
        """
        return self._said

    def _listen(self) -> Iterator[Event]:
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
        self._crew.ranks[0].stop.remote(self._lease.token, how)

    def keep(self, seconds: float) -> None:
        """Let the ranks go on for so long. One that has answered nothing for too long is ended."""
        for number, rank in enumerate(self._crew.ranks):
            call, since = self._asked.get(number, (None, 0.0))
            if call is not None and not ray.wait([call], timeout=0)[0]:
                if self._up and monotonic() - since > self._silence:
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
            return self._released or self._crew.end()

    def release(self) -> None:
        """Its work is done: its ranks may take up another's once they have all returned."""
        try:
            for _ in self._said:
                pass
            slim = self._crew.is_slim()
        except Exception as error:  # noqa: BLE001 — the record is written; only the crew is in doubt
            log.warning("a print process failed after its work: %s", error)
            self.kill()
            return
        if not slim:
            self.kill()
            return
        with self._lock:
            self._released = True
            self._crew.leave_post()
        self._idle.put(self._crew)

    def _begin(self) -> tuple[Any, list[Any]]:
        """Set all to work: rank 0's stream, and all calls to wait for, that one first."""
        crew = self._crew
        crew.prepare()
        self._up = True
        crew.take_post(Post(self._lease.task, self._lease.attempt))
        first, *others = crew.ranks
        port, size = crew.berths[0].port, crew.size
        seats = [replace(self._seat, rank=rank, size=size, port=port) for rank in range(size)]
        stream = first.render.options(num_returns="streaming").remote(self._lease, seats[0])
        calls = [
            rank.follow.remote(self._lease, seat) for rank, seat in zip(others, seats[1:], strict=True)
        ]
        return stream, [stream, *calls]

    def _why(self, error: RayError, rank: int) -> Exception:
        """What a rank raised; a kill for memory where Ray or the kernel tell of one."""
        found = told(error)
        if type(found) is not WorkerLost:
            return found
        berth, known = self._crew.berths[rank], actor(self._crew.ranks[rank]._actor_id.hex())
        by_ray = known is not None and known.out_of_memory
        by_kernel = self._watchers.memory_kills(berth.node) > berth.memory_kills
        return MemoryKilled(MEMORY_KILLED) if by_ray or by_kernel else found

    def _last_words(self, failures: Sequence[Exception]) -> str:
        """The logs of the ranks that can still be asked, and why others cannot."""
        words = [f"the attempt ended: {failure}" for failure in failures]
        for number, rank in enumerate(self._crew.ranks):
            try:
                words.append(f"rank {number}:\n{ray.get(rank.tail.remote(), timeout=ANSWER_SECONDS)}")
            except (RayError, GetTimeoutError):
                berth = self._crew.berths[number]
                words.append(f"rank {number}: its process on node {berth.node} is gone")
        return "\n".join(words)
