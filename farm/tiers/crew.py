"""The ranks of a gang as processes: placed together, brought up, and ended together.

A crew outlives the attempt that it was started for: where that ends well, the next one of the same size
finds processes that have loaded everything.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from farm.errors import Unavailable
from farm.tiers.blame import told
from farm.tiers.graves import Graves
from farm.tiers.placement import bundle
from farm.tiers.posts import Post, leave_post, take_post
from farm.tiers.rank import Berth, PrintRank, RankOptions

ANSWER_SECONDS = 5.0
MOST_BYTES = 2e9
"""That a rank may hold while it waits: others need the memory, and its own next plan does."""
START_SECONDS = 120.0
"""How long the processes of a crew may take to come up."""


class Crew:
    """Ranks on one machine, and the room that they take.

    Args:
        pool: where they are.
        ranks: handles of actors, rank 0 first.
    """

    def __init__(
        self, pool: str, group: PlacementGroup, ranks: Sequence[Any], graves: Graves
    ) -> None:  # fmt: skip
        self.pool, self.ranks, self.berths = pool, ranks, list[Berth]()
        self._group, self._graves = group, graves
        self._lock = threading.Lock()
        self._gone: bool | None = None

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return len(self.ranks)

    @property
    def node(self) -> str:
        """The machine that they are on, empty before they have come up."""
        return self.berths[0].node if self.berths else ""

    def prepare(self, seconds: float = START_SECONDS) -> None:
        """Wait until all ranks are up, each with a berth.

        Raises:
            Unavailable: one of them did not come up in time.
            WorkerLost: one of them is gone.
        """
        try:
            self.berths = ray.get([rank.prepare.remote() for rank in self.ranks], timeout=seconds)
        except GetTimeoutError:
            raise Unavailable(
                f"engine.devices: {self.size} print processes did not come up within "
                f"{seconds:.0f} s; the task waits for its next turn."
            ) from None
        except RayError as error:
            raise told(error) from None

    def take_post(self, post: Post) -> None:
        """Let everybody know what it works on; before it does."""
        take_post(self._ids, post)

    def leave_post(self) -> None:
        """It works on nothing any more."""
        leave_post(self._ids)

    def is_slim(self) -> bool:
        """Whether its ranks hold so little memory that they may wait for work.

        Raises ``RayError`` if one is gone.
        """
        held: list[int] = ray.get(
            [rank.held_bytes.remote() for rank in self.ranks], timeout=ANSWER_SECONDS
        )
        return max(held) <= MOST_BYTES

    def end(self) -> bool:
        """End the ranks and give their places back. True once their processes are known to be gone."""
        with self._lock:
            if self._gone is None:
                for rank in self.ranks:
                    ray.kill(rank, no_restart=True)
                remove_placement_group(self._group)
            if not self._gone:
                self._gone = self._graves.bury_ranks(self.ranks)
                if self._gone:
                    self.leave_post()
            return self._gone

    @property
    def _ids(self) -> list[str]:
        return [rank._actor_id.hex() for rank in self.ranks]


def crew_name() -> str:
    """A name that no other crew has."""
    return f"crew {uuid4().hex[:8]}"


def hire(  # what processes are started with
    name: str, pool: str, group: PlacementGroup, size: int, options: RankOptions, graves: Graves, *,
    gpu: bool,
) -> Crew:  # fmt: skip
    """Start as many ranks in the room that was made for them."""
    takes = bundle(gpu=gpu)
    ranks = [
        PrintRank.options(  # type: ignore[attr-defined]
            name=rank_name(name, number),
            num_cpus=takes["CPU"],
            num_gpus=takes.get("GPU", 0),
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, number),
        ).remote(options)
        for number in range(size)
    ]
    return Crew(pool, group, ranks, graves)


def rank_name(crew: str, rank: int) -> str:
    """What Ray and its dashboard call a rank."""
    return f"print rank {rank} of {crew}"
