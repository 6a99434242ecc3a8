"""Projects and nodes as dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from farm.queue.records import NodeRecord, ProjectRecord


@dataclass
class Shared:
    """What was committed of projects and nodes."""

    projects: dict[str, ProjectRecord] = field(default_factory=dict)
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    failures: dict[str, frozenset[str]] = field(default_factory=dict)


class MemoryShares:
    """One transaction's view of projects and nodes."""

    def __init__(self, kept: Shared) -> None:
        self._shared = kept
        self._projects = dict(kept.projects)
        self._nodes = dict(kept.nodes)
        self._failures = dict(kept.failures)

    def commit(self) -> Any:
        """Keep the changes."""
        self._shared.projects = self._projects
        self._shared.nodes = self._nodes
        self._shared.failures = self._failures

    def projects(self) -> list[ProjectRecord]:
        """Every project that a job or an operator named, by name."""
        return [self._projects[name] for name in sorted(self._projects)]

    def set_project(self, name: str, weight: float, max_running: int | None) -> None:
        """Set a project's share and limit."""
        known = self._projects.get(name, ProjectRecord(name=name))
        granted = {"weight": weight, "max_running": max_running}
        self._projects[name] = known.model_copy(update=granted)

    def shift_project(self, name: str, running: int, ready: int) -> bool:
        """Add to a project's counts; False, and nothing added, where its limit would be passed."""
        known = self._projects.get(name, ProjectRecord(name=name))
        total = known.running + running
        if running > 0 and known.max_running is not None and total > known.max_running:
            return False
        counts = {"running": total, "ready": known.ready + ready}
        self._projects[name] = known.model_copy(update=counts)
        return True

    def nodes(self) -> list[NodeRecord]:
        """Nodes with failures, by name."""
        return [
            node for name in sorted(self._nodes) if (node := self._node(name)).out or node.failed_tasks
        ]

    def blame(self, node: str, task: str) -> NodeRecord:
        """Note that a task failed on a node; returns the node as it is then."""
        self._nodes.setdefault(node, NodeRecord(name=node, failed_tasks=0))
        self._failures[node] = self._failures.get(node, frozenset()) | {task}
        return self._node(node)

    def absolve(self, node: str) -> None:
        """Forget the tasks that failed on a node."""
        self._failures.pop(node, None)

    def judge(self, node: str, *, out: bool, reason: str, since: float | None) -> None:
        """Take a node out, or back in."""
        verdict = {"out": out, "reason": reason, "since": since}
        self._nodes[node] = self._nodes[node].model_copy(update=verdict)

    def _node(self, name: str) -> NodeRecord:
        failed = len(self._failures.get(name, ()))
        return self._nodes[name].model_copy(update={"failed_tasks": failed})
