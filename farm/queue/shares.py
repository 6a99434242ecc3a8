"""What an operator grants and takes away: a project's share, a node's place."""

from __future__ import annotations

import math
import re

from farm.errors import InvalidInput, NotFound
from farm.queue.records import NodeRecord, ProjectRecord
from farm.queue.transactions import Transactions
from farm.spec.job import NAME


class Shares(Transactions):
    """Projects with their weights and limits, and the nodes that failures took out."""

    def set_project(
        self, name: str, *, weight: float = 1.0, max_running: int | None = None
    ) -> ProjectRecord:
        """Set a project's share beside the others', and the most tasks it may run at once.

        Raises:
            InvalidInput: the name, the weight or the limit is not valid.
        """
        if not re.fullmatch(NAME.removesuffix("$"), name):
            raise InvalidInput(
                f"project: {name!r} is not valid; use 1-64 letters, digits, '.', '_' or '-'.",
                field="project",
            )
        if not (math.isfinite(weight) and weight > 0):
            raise InvalidInput(
                f"weight: {weight!r} is not valid; give a number over 0, such as 1.", field="weight"
            )
        if max_running is not None and max_running < 0:
            raise InvalidInput(
                f"max_running: {max_running!r} is not valid; give 0 or more, or none for no limit.",
                field="max_running",
            )
        with self._writing("set_project") as ledger:
            ledger.rows.set_project(name, weight, max_running)
            return next(found for found in ledger.rows.projects() if found.name == name)

    def projects(self) -> list[ProjectRecord]:
        """Every project that a job or an operator named, by name."""
        with self._reading() as ledger:
            return ledger.rows.projects()

    def ready_count(self) -> int:
        """Tasks to be claimed now or when their delay is over: the demand for workers."""
        return sum(project.ready for project in self.projects())

    def nodes(self) -> list[NodeRecord]:
        """Nodes on which attempts failed since their last success, or that are out, by name.

        Three different tasks that failed on a node take it out; it stays out until readmitted.
        """
        with self._reading() as ledger:
            return ledger.rows.nodes()

    def readmit(self, node: str) -> None:
        """Give a node work again, with its failures forgotten.

        Raises:
            NotFound: nothing failed on a node of that name.
        """
        with self._writing("readmit") as ledger:
            if all(found.name != node for found in ledger.rows.nodes()):
                known = ", ".join(found.name for found in ledger.rows.nodes()) or "none"
                raise NotFound(
                    f"node: nothing failed on {node!r}; the nodes with failures are: {known}.",
                    field="node",
                )
            ledger.rows.absolve(node)
            ledger.rows.judge(node, out=False, reason="", since=None)
