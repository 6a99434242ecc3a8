"""A SQLite file as the queue's database: one machine, several processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import URL, Connection, Engine, create_engine, event

from farm.clock import Clock
from farm.errors import InvalidInput, Unavailable
from farm.queue.changes import changes
from farm.queue.database import parse
from farm.queue.sql import SqlQueue
from farm.queue.sql_rows import SqlRows

REMEDIES = {
    "locked": "another process holds it; try again, or stop that process",
    "full": "make room on its disk",
    "readonly": "make the file and its folder writable, or set FARM_DATABASE to another",
    "unable to open": "check that its folder exists and may be written to, or set FARM_DATABASE",
    "not a database": "move the file away, or set FARM_DATABASE to another",
    "malformed": "restore it from a backup, or move the file away",
}
"""What to do, by what SQLite says."""

OTHERWISE = "check the file and its disk"

SKIPPED = 1_000_000
"""Tokens that a restored copy does not give: more than are given between the copy and its use."""


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

    remedies = REMEDIES
    otherwise = OTHERWISE

    def __init__(self, url: str, clock: Clock, *, patience: float = 15.0) -> None:
        parsed = parse(url)
        self._closed, self._file = threading.Event(), Path(str(parsed.database))
        super().__init__(connect(parsed, patience), clock, str(parsed.database))

    def wait(self, version: int, timeout: float) -> int:
        """Wait for an event of any job, by looking at the file whenever it may have changed."""
        with self._spoken(), self._engine.connect() as connection:
            raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            seen, now = None, version
            for _ in changes(self._file, timeout, self._closed):
                # Other connections' commits change this number, which costs less to ask than any row.
                (number,) = raw.execute("PRAGMA data_version").fetchone()
                if number != seen:
                    seen, now = number, self.version()
                    if now != version:
                        break
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

    def _rows(self, connection: Connection, *, write: bool) -> SqlRows:
        return SqlRows(connection, write=write)


def _skip_tokens(copy: sqlite3.Connection) -> None:
    """Keep a restored copy from giving a token that a worker got after the copy was made."""
    with copy:
        copy.execute("UPDATE counters SET value = value + ? WHERE name = 'tokens'", (SKIPPED,))


def connect(url: URL, patience: float) -> Engine:
    """An engine on the SQLite file at ``url``, which waits ``patience`` seconds for a lock.

    Raises:
        Unavailable: its folder cannot be made.
    """
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"database {url.database}: its folder cannot be made ({error.strerror}); "
            "set FARM_DATABASE or FARM_HOME to a place that may be written to."
        ) from error
    # As many connections as threads ask for: what they wait on is the file's one write lock.
    engine = create_engine(url, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver must not begin transactions by itself: it knows no BEGIN IMMEDIATE.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
        _switch_to_wal(connection, patience)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: upgrading a read lock later could fail midway.
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _switch_to_wal(connection: sqlite3.Connection, patience: float) -> None:
    # SQLite does not apply busy_timeout here when two processes open a new file at once.
    last_try = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > last_try:
                raise
            time.sleep(0.01)
