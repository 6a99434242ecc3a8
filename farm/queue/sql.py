"""The queue in a SQL database, whichever it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from sqlalchemy import Connection, Engine

from farm.clock import Clock
from farm.queue.database import prepare, spoken
from farm.queue.naming import Names, names
from farm.queue.queue import Queue
from farm.queue.rows import Rows
from farm.queue.sql_rows import SqlRows


class SqlQueue(Queue):
    """Rows in a database.

    Args:
        engine: connections to it.
        clock: the time that leases are measured by.
        place: the database as messages name it.
    """

    remedies: ClassVar[Mapping[str, str]]
    otherwise: ClassVar[str]

    def __init__(self, engine: Engine, clock: Clock, place: str) -> None:
        super().__init__(clock)
        self._engine = engine
        self._place = place
        try:
            with self._spoken():
                prepare(engine, place)
        except BaseException:
            engine.dispose()
            raise

    @abstractmethod
    def _rows(self, connection: Connection, *, write: bool) -> SqlRows:
        """The rows of a transaction that was begun on a connection."""

    def names(self) -> Names:
        """Blobs that the rows name."""
        with self._spoken(), self._engine.connect() as connection:
            self._set_up(connection, write=False)
            with connection.begin():
                return names(connection)

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        with spoken(self._place, self.remedies, self.otherwise):
            yield

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Rows]:
        with self._spoken(), self._engine.connect() as connection:
            self._set_up(connection, write=write)
            with connection.begin():
                rows = self._rows(connection, write=write)
                yield rows
        if rows.told:
            self._tell()

    def _set_up(self, connection: Connection, *, write: bool) -> None:
        """Prepare a connection for a transaction."""
        connection.execution_options(write=write)

    def _tell(self) -> None:
        """Let those who wait know that events were committed."""
