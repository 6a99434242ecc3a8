"""``Rows`` as SQL statements inside one transaction, of projects and nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, func, select, update

from farm.queue import statements as sql
from farm.queue.records import NodeRecord, ProjectRecord
from farm.queue.tables import node_failures, nodes, projects

UNKNOWN: dict[str, Any] = {"running": 0, "ready": 0, "period": "month", "reserved": 0}
"""A project that nobody has named before."""


class SqlShares(ABC):
    """Rows of projects and nodes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def projects(self) -> list[ProjectRecord]:
        """Every project that a job or an operator named, by name."""
        return [ProjectRecord(**row._mapping) for row in self._ask(sql.PROJECTS)]

    def set_project(self, name: str, weight: float, max_running: int | None) -> None:
        """Set a project's share and limit."""
        granted = {"weight": weight, "max_running": max_running}
        adding = self._insert(projects).values(name=name, **UNKNOWN, **granted)
        self._ask(adding.on_conflict_do_update(index_elements=["name"], set_=granted))

    def shift_project(self, name: str, running: int, ready: int) -> bool:
        """Add to a project's counts; False, and nothing added, where its limit would be passed."""
        shift = {"b_name": name, "b_running": running, "b_ready": ready}
        query = sql.CLAIM_PLACE if running > 0 else sql.SHIFT_PROJECT
        if self._change(query, shift):
            return True
        if running > 0:
            return False
        new = {**UNKNOWN, "name": name, "running": running, "ready": ready}
        adding = self._insert(projects).values(weight=1.0, **new)
        counts = {"running": projects.c.running + running, "ready": projects.c.ready + ready}
        self._ask(adding.on_conflict_do_update(index_elements=["name"], set_=counts))
        return True

    def nodes(self) -> list[NodeRecord]:
        """Nodes with failures, by name."""
        found = [NodeRecord(**row._mapping) for row in self._ask(sql.NODES)]
        return [node for node in found if node.out or node.failed_tasks]

    def blame(self, node: str, task: str) -> NodeRecord:
        """Note that a task failed on a node; returns the node as it is then."""
        adding = self._insert(nodes).values(name=node, out=False, reason="")
        # The update that changes nothing locks the node, so that failures on it are counted in turn.
        self._ask(adding.on_conflict_do_update(index_elements=["name"], set_={"name": node}))
        failing = self._insert(node_failures).values(node=node, task=task)
        self._ask(failing.on_conflict_do_nothing())
        number = select(func.count()).where(node_failures.c.node == node)
        failed = self._ask(number).scalar_one()
        row = self._ask(select(nodes).where(nodes.c.name == node)).one()
        return NodeRecord(**row._mapping, failed_tasks=failed)

    def absolve(self, node: str) -> None:
        """Forget the tasks that failed on a node."""
        self._put(sql.ABSOLVE, {"b_node": node})

    def judge(self, node: str, *, out: bool, reason: str, since: float | None) -> None:
        """Take a node out, or back in."""
        verdict = {"out": out, "reason": reason, "since": since}
        self._ask(update(nodes).where(nodes.c.name == node).values(verdict))

    def flush(self) -> None:  # noqa: B027 - nothing is kept back where an answer is no journey
        """Send what was kept back."""

    def _ask(self, statement: Executable, values: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement whose result is wanted."""
        return self._connection.execute(statement, values)

    def _put(self, statement: Executable, values: dict[str, Any]) -> None:
        """Run a statement whose result is not wanted, now or with the next one."""
        self._connection.execute(statement, values)

    def _change(self, statement: Executable, values: dict[str, Any]) -> int:
        """Run a statement and say how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    @abstractmethod
    def _insert(self, table: Any) -> Any:
        """An insert that can say what to do about a conflict."""
