"""Running the revisions on an open connection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

REVISIONS = {1: "0001", 2: "0002", 3: "0003"}
"""The Alembic revision that makes each version of the tables."""


def upgrade(connection: Connection, found: int | None, wanted: int | None = None) -> None:
    """Bring tables of version ``found`` (None: there are none) to ``wanted``, the newest by default.

    The caller has begun a transaction, keeps others from doing the same, and commits.
    """
    script = _script()
    target = "head" if wanted is None else REVISIONS[wanted]

    def steps(revision: Any, _context: MigrationContext) -> Sequence[Any]:
        return script._upgrade_revs(target, revision)

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": script})
    if found is not None and not context.get_current_heads():
        # The first released version did not know Alembic.
        context.stamp(script, REVISIONS[found])
    with Operations.context(context):
        context.run_migrations()


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))
