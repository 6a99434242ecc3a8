"""Ending an attempt wherever it runs, and knowing that it has ended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil
import ray

from farm.tiers.census import Actor, actor, actors
from farm.tiers.posts import Post, leave_post, posts
from farm.tiers.watchers import Watchers

NAMESPACE = "farm"


def instance_name() -> str:
    """A name for this dispatcher process by which others can find out whether it lives."""
    started = psutil.Process().create_time()
    return f"{ray.get_runtime_context().get_node_id()}.{os.getpid()}.{started:.2f}"


class Graves:
    """Ends ranks by what they work on, whoever started them.

    That Ray calls an actor dead is not enough: it says so as soon as it has told the process to end. So
    the process itself is looked for, on its own node.
    """

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers

    def bury(self, task: str, attempt: int) -> bool:
        """End all ranks of that attempt. True once their processes are known to be gone."""
        wanted, known = Post(task, attempt), posts()
        found = [each for each in actors() if known.get(each.id) == wanted]
        gone = self.end(found)
        if gone:
            leave_post([each.id for each in found])
        return gone

    def bury_ranks(self, ranks: Sequence[Any]) -> bool:
        """End those ranks. True once their processes are known to be gone."""
        known = [actor(rank._actor_id.hex()) for rank in ranks]
        return self.end([each for each in known if each])

    def end(self, ranks: Sequence[Actor]) -> bool:
        """End those actors. One that Ray has not started yet never will be."""
        for rank in ranks:
            if not rank.dead:
                with suppress(ValueError, ray.exceptions.RayError):
                    ray.kill(ray.get_actor(rank.name, namespace=NAMESPACE), no_restart=True)
        places: dict[str, list[int]] = {}
        for rank in ranks:
            if rank.pid:
                places.setdefault(rank.node, []).append(rank.pid)
        return self._watchers.bury(places)

    def gone(self, worker: str) -> bool:
        """Whether the dispatcher process that goes by that name is known to be gone."""
        try:
            node, pid, started = worker.split("/")[1].split(".", 2)
            return not self._watchers.is_running(node, int(pid), float(started))
        except (IndexError, ValueError):
            return False
