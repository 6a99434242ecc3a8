"""The queue in a SQL database, and which one a URL names."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import Engine

from farm.clock import Clock
from farm.errors import InvalidInput
from farm.queue import sqlite
from farm.queue.database import parse, prepare, spoken
from farm.queue.queue import Queue
from farm.queue.rows import Rows
from farm.queue.sql_rows import SqlRows

LOOKS_PER_SECOND = 20
"""How often a waiting reader looks whether the SQLite file has changed."""


class SqlQueue(Queue):
    """Rows in a database.

    Args:
        engine: connections to it.
        clock: the time that leases are measured by.
        place: the database as messages name it.
    """

    remedies = sqlite.REMEDIES
    otherwise = sqlite.OTHERWISE

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

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        with spoken(self._place, self.remedies, self.otherwise):
            yield


class SqliteQueue(SqlQueue):
    """Rows in a SQLite file, safe against the loss of the process or of power.

    Args:
        url: ``sqlite:////path/to/farm.db``; the file and its folder are made where missing.
        clock: the time that leases are measured by.
        patience: seconds to wait for another writer.

    Raises:
        InvalidInput: the URL is not one of a SQLite file.
        Unavailable: the file cannot be opened or is a newer version's.
    """

    def __init__(self, url: str, clock: Clock, *, patience: float = 15.0) -> None:
        parsed = parse(url)
        self._closed = threading.Event()
        super().__init__(sqlite.connect(parsed, patience), clock, str(parsed.database))

    def wait(self, version: int, timeout: float) -> int:
        """Wait for an event of any job, by looking whether the file has changed."""
        until = time.monotonic() + timeout
        with self._spoken(), self._engine.connect() as connection:
            raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            seen = None
            while True:
                # Other connections' commits change this number, which costs less to ask than any row.
                (changes,) = raw.execute("PRAGMA data_version").fetchone()
                if changes != seen:
                    seen, now = changes, self.version()
                    if now != version:
                        return now
                left = until - time.monotonic()
                if left <= 0 or self._closed.wait(min(left, 1 / LOOKS_PER_SECOND)):
                    return now

    def backup(self, path: Path) -> None:
        """Write a copy of the database to a new file while it is used."""
        if path.exists():
            raise InvalidInput(f"backup: {path} is there already; name a new file.", field="backup")
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._spoken(), self._engine.connect() as connection:
            raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            with closing(sqlite3.connect(path)) as copy:
                raw.backup(copy)
                _skip_tokens(copy)

    def close(self) -> None:
        """Close the file."""
        self._closed.set()
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Rows]:
        with self._spoken(), self._engine.connect() as connection:
            connection.execution_options(write=write)
            with connection.begin():
                yield SqlRows(connection, write=write)


SKIPPED = 1_000_000
"""Tokens that a restored copy does not give: more than are given between the copy and its use."""


def _skip_tokens(copy: sqlite3.Connection) -> None:
    """Keep a restored copy from giving a token that a worker got after the copy was made."""
    with copy:
        copy.execute("UPDATE counters SET value = value + ? WHERE name = 'tokens'", (SKIPPED,))


def open_queue(url: str, clock: Clock) -> SqlQueue:
    """The queue that a database URL names: SQLite's or PostgreSQL's.

    Raises:
        InvalidInput: the URL is neither of a SQLite file nor of a PostgreSQL database.
        Unavailable: it cannot be opened or is a newer version's.
    """
    return SqliteQueue(url, clock)
