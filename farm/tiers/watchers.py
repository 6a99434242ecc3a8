"""The watchers of all nodes, kept up by the dispatcher, and what is heard of the nodes' ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from farm.clock import Clock
from farm.dispatch.memory_kills import memory_kills
from farm.dispatch.notice import Notice
from farm.settings import Settings
from farm.tiers import watcher
from farm.tiers.census import drain, draining, nodes
from farm.tiers.processes import is_here

ANSWER_SECONDS = 5.0
FAR = 10 * 365 * 86400.0
"""Ray wants a deadline; this one stands for none."""
log = logging.getLogger(__name__)


class Watchers:
    """One watcher on each node that lives. To be tended every few seconds.

    Args:
        reach: whether a node's address is this machine, whose processes can be looked at without help.
    """

    def __init__(
        self, settings: Settings, clock: Clock, reach: Callable[[str], bool] = is_here
    ) -> None:
        self._settings, self._clock, self._reach = settings, clock, reach
        self._actors: dict[str, Any] = {}

    def tend(self) -> dict[str, Notice]:
        """Start what is missing and let go of what is gone; the nodes that go away, with their notices.

        A node of which a watcher has heard is drained in Ray too, so that nothing is placed there.
        """
        alive = {node.id for node in nodes() if node.alive}
        for node in alive - self._actors.keys():
            self._actors[node] = self._start(node)
        for node in self._actors.keys() - alive:
            ray.kill(self._actors.pop(node), no_restart=True)
        leaving = _drained()
        for node, notice in self._heard().items():
            if node not in leaving:
                leaving[node] = notice
                deadline = notice.deadline or self._clock.now() + FAR
                if not drain(node, notice.reason, deadline):
                    log.warning("Ray does not drain %s, which goes away", node)
        return leaving

    def bury(self, places: dict[str, list[int]]) -> bool:
        """End ranks by node and process number. True once all are known to be gone."""
        return all(self._ask_bury(node, pids) for node, pids in places.items())

    def is_running(self, node: str, pid: int, started: float) -> bool:
        """Whether that process is there; True where nobody can tell."""
        if self._is_near(node):
            return watcher.is_running(pid, started)
        return bool(self._ask(node, "is_running", pid, started, otherwise=True))

    def memory_kills(self, node: str) -> int:
        """Processes that the node's kernel has killed for memory; 0 where nobody can tell."""
        if self._is_near(node):
            return memory_kills()
        return int(self._ask(node, "memory_kills", otherwise=0))

    def close(self) -> None:
        """End all."""
        while self._actors:
            ray.kill(self._actors.popitem()[1], no_restart=True)

    def _start(self, node: str) -> Any:
        return watcher.NodeWatcher.options(  # type: ignore[attr-defined]
            name=f"watcher {node} of {ray.get_runtime_context().get_actor_id() or 'a driver'}",
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(self._settings)

    def _heard(self) -> dict[str, Notice]:
        asked = {each.look.remote(): node for node, each in self._actors.items()}
        ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
        found: dict[str, Notice] = {}
        for call in ready:
            try:
                notice = ray.get(call)
            except RayError:
                continue  # the node is gone, or its watcher starts again
            if notice:
                found[asked[call]] = notice
        return found

    def _ask_bury(self, node: str, pids: list[int]) -> bool:
        if self._is_near(node):
            return not watcher.bury(pids)
        return bool(self._ask(node, "bury", pids, otherwise=pids) == [])

    def _ask(self, node: str, method: str, *arguments: Any, otherwise: Any) -> Any:
        if node not in self._actors:
            return otherwise
        try:
            call = getattr(self._actors[node], method).remote(*arguments)
            return ray.get(call, timeout=ANSWER_SECONDS)
        except (RayError, GetTimeoutError):
            return otherwise

    def _is_near(self, node: str) -> bool:
        return any(each.id == node and self._reach(each.address) for each in nodes())


def _drained() -> dict[str, Notice]:
    return {
        node: Notice("ray", "its node is drained", deadline) for node, deadline in draining().items()
    }
