"""Opening the database, and its errors in words for people."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from farm.errors import InvalidInput, Unavailable
from farm.queue.tables import SCHEMA_VERSION, TOKENS, counters, metadata, schema_version

REMEDIES = {
    "locked": "another process holds it; try again, or stop that process",
    "full": "make room on its disk",
    "readonly": "make the file and its folder writable, or set FARM_DATABASE to another",
    "unable to open": "check that its folder exists and may be written to, or set FARM_DATABASE",
    "not a database": "move the file away, or set FARM_DATABASE to another",
    "malformed": "restore it from a backup, or move the file away",
}
"""What to do, by what SQLite says."""


def connect(url: str, patience: float) -> Engine:
    """An engine on the SQLite database at ``url``, which waits ``patience`` seconds for a lock.

    Raises:
        InvalidInput: the URL is not one of a SQLite file.
        Unavailable: its folder cannot be made.
    """
    parsed = _sqlite_url(url)
    try:
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"database {parsed.database}: its folder cannot be made ({error.strerror}); "
            "set FARM_DATABASE or FARM_HOME to a place that may be written to."
        ) from error
    # As many connections as threads ask for: what they wait on is the file's one write lock.
    engine = create_engine(parsed, max_overflow=-1)

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


def prepare(connection: Connection, place: str) -> None:
    """Make the tables where there are none, and check their version.

    Raises:
        Unavailable: they are another version's.
    """
    metadata.create_all(connection)
    found = connection.execute(select(schema_version.c.version)).scalar()
    if found is None:
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        connection.execute(insert(counters).values(name=TOKENS, value=0))
    elif found != SCHEMA_VERSION:
        raise Unavailable(
            f"database {place}: its tables are version {found}, this farm's are {SCHEMA_VERSION}; "
            "use the farm that made it, or set FARM_DATABASE to another file."
        )


@contextmanager
def spoken(place: str) -> Iterator[None]:
    """Turn what the database complains of in the block into one sentence.

    Raises:
        Unavailable: the database at ``place`` does not work now.
    """
    try:
        yield
    except DatabaseError as error:
        # Other subclasses (integrity, programming) would be faults of this code, not of the file.
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise
        said = str(error.orig)
        remedy = next(
            (remedy for sign, remedy in REMEDIES.items() if sign in said), "check the file and its disk"
        )
        raise Unavailable(f"database {place}: {said}; {remedy}.") from error


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


def _sqlite_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(
            "database: the URL cannot be read; write sqlite:////path/to/farm.db.", field="database"
        ) from None
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise InvalidInput(
            f"database: {parsed.drivername!r} is not available yet; write sqlite:////path/to/farm.db.",
            field="database",
        )
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput(
            f"database: {url!r} names no file, so nothing would last; write sqlite:////path/to/farm.db.",
            field="database",
        )
    return parsed
