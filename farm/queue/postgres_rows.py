"""``Rows`` in PostgreSQL, where rows are locked one by one and every answer is a journey."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import Connection, CursorResult, Executable, Row, Select
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.compiler import SQLCompiler

from farm.queue import statements as sql
from farm.queue.sql_rows import SqlRows
from farm.spec.state import JobState, TaskState

_compiled: dict[int, tuple[Executable, SQLCompiler]] = {}


class PostgresRows(SqlRows):
    """The statements as PostgreSQL has them. Writes go together, with the next question or the end."""

    _heads = sql.HEADS_LATERAL
    _next_tasks = (
        sql.NEXT_TASK_NUMBERED.with_for_update(key_share=True),
        sql.NEXT_TASK_NUMBERED_AVOIDING.with_for_update(key_share=True),
    )

    def __init__(self, connection: Connection, *, write: bool) -> None:
        super().__init__(connection, write=write)
        self._kept: list[str] = []

    def guard_needs(self, *, adding: bool) -> None:
        """Keep jobs from being added with prerequisites while one of these becomes done."""
        self.flush()
        lock = "pg_advisory_xact_lock" if adding else "pg_advisory_xact_lock_shared"
        self._connection.exec_driver_sql(f"SELECT {lock}(hashtext(current_schema() || ' farm needs'))")

    def flush(self) -> None:
        """Send what was kept back."""
        if self._kept:
            self._send("")

    def _ask(self, statement: Executable, values: Any = None) -> CursorResult[*tuple[Any, ...]]:
        self.flush()
        return super()._ask(statement, values)

    def _put(self, statement: Executable, values: dict[str, Any]) -> None:
        self._kept.append(self._literal(statement, values))

    def _change(self, statement: Executable, values: dict[str, Any]) -> int:
        # The answer is that of the first. What the others write is locked by this transaction already,
        # so that this one's lock is still the last.
        return self._send(self._literal(statement, values))

    def _send(self, first: str) -> int:
        together = "; ".join([first, *self._kept] if first else self._kept)
        self._kept.clear()
        plain = self._connection.execution_options(no_parameters=True)
        try:
            return plain.exec_driver_sql(together).rowcount
        finally:
            self._connection.execution_options(no_parameters=False)

    def _literal(self, statement: Executable, values: dict[str, Any]) -> str:
        """A statement with its values written into it by the driver."""
        known = _compiled.get(id(statement))
        if known is None:
            # The statement is kept with it, so that no other can come to have its id.
            compiled = statement.compile(  # type: ignore[attr-defined]
                dialect=self._connection.dialect, column_keys=list(values)
            )
            known = _compiled[id(statement)] = statement, compiled
        asked = known[1].construct_params({name: _plain(value) for name, value in values.items()})
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return psycopg.ClientCursor(driver).mogrify(str(known[1]), asked)

    def _token(self, row: Row[*tuple[Any, ...]]) -> int:
        return int(row[-1])

    def _insert(self, table: Any) -> Any:
        return postgresql.insert(table)

    def _locking(self, query: Select[Any], *, patient: bool = True) -> Select[Any]:
        if not self._write:
            return query
        # "No key" leaves rows that refer to the locked one free to be inserted.
        return query.with_for_update(key_share=True, skip_locked=not patient)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, JobState | TaskState) else value
