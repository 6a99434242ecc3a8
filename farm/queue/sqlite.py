"""A SQLite file as the queue's database: one machine, several processes."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event

from farm.errors import Unavailable

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
