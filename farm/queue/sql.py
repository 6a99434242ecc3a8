"""The queue in a SQL database: SQLite, one file that several processes may open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from farm.clock import Clock
from farm.queue.database import connect, prepare, spoken
from farm.queue.queue import Queue
from farm.queue.rows import Rows
from farm.queue.sql_rows import SqlRows


class SqlQueue(Queue):
    """Rows in a SQLite file, safe against the loss of the process or of power.

    Args:
        url: ``sqlite:////path/to/farm.db``; the file and its folder are made where missing.
        clock: the time that leases are measured by.
        patience: seconds to wait for another writer.

    Raises:
        InvalidInput: the URL is not one of a SQLite file.
        Unavailable: the file cannot be opened or is another version's.
    """

    def __init__(self, url: str, clock: Clock, *, patience: float = 15.0) -> None:
        super().__init__(clock)
        self._engine = connect(url, patience)
        self._place = str(self._engine.url.database)
        try:
            with spoken(self._place), self._engine.connect() as connection:
                connection.execution_options(write=True)
                with connection.begin():
                    prepare(connection, self._place)
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Rows]:
        with spoken(self._place), self._engine.connect() as connection:
            connection.execution_options(write=write)
            with connection.begin():
                yield SqlRows(connection)


def open_queue(url: str, clock: Clock) -> SqlQueue:
    """The queue that a database URL names.

    Raises:
        InvalidInput: the URL is not one of a SQLite file.
        Unavailable: the file cannot be opened or is another version's.
    """
    return SqlQueue(url, clock)
