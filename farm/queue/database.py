"""Opening a database by its URL, with tables of this version, and its errors in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from farm.errors import InvalidInput, Unavailable
from farm.queue import migrations
from farm.queue.tables import SCHEMA_VERSION, schema_version

EXAMPLES = "write sqlite:////path/to/farm.db or postgresql://user@host/farm"
"""The URLs that can be opened."""

PREPARING = 0x6661726D
"""The advisory lock under which PostgreSQL's tables are made or upgraded: "farm" in ASCII."""


def parse(url: str) -> URL:
    """A database's URL, with its driver.

    Raises:
        InvalidInput: it is neither of a SQLite file nor of a PostgreSQL database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(f"database: the URL cannot be read; {EXAMPLES}.", field="database") from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise InvalidInput(
            f"database: {parsed.drivername!r} is not available; {EXAMPLES}.", field="database"
        )
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput(
            f"database: {url!r} names no file, so nothing would last; {EXAMPLES}.", field="database"
        )
    return parsed


def prepare(engine: Engine, place: str) -> None:
    """Make the tables where there are none, and upgrade those of an older farm.

    Raises:
        Unavailable: they are a newer farm's.
    """
    with engine.connect() as connection:
        if _version(connection, place) == SCHEMA_VERSION:
            return
    with engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                lock = f"SELECT pg_advisory_xact_lock({PREPARING}, hashtext(current_schema()))"
                connection.exec_driver_sql(lock)
            found = _version(connection, place)
            if found != SCHEMA_VERSION:
                migrations.upgrade(connection, found)


def _version(connection: Connection, place: str) -> int | None:
    if not inspect(connection).has_table(schema_version.name):
        return None
    found = int(connection.execute(select(schema_version.c.version)).scalar_one())
    if found > SCHEMA_VERSION:
        raise Unavailable(
            f"database {place}: its tables are version {found}, this farm's are {SCHEMA_VERSION}; "
            "use the newer farm that made it, or set FARM_DATABASE to another."
        )
    return found


@contextmanager
def spoken(place: str, remedies: Mapping[str, str], otherwise: str) -> Iterator[None]:
    """Turn what the database complains of in the block into one sentence.

    ``remedies`` says what to do by a part of what the database says.

    Raises:
        Unavailable: the database at ``place`` does not work now.
    """
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(
            f"database {place}: all connections of this process are in use; try again."
        ) from error
    except DBAPIError as error:
        # Other subclasses (integrity, programming) would be faults of this code, not of the database.
        known = isinstance(error, OperationalError | InterfaceError)
        if not (known or error.connection_invalidated or type(error).__name__ == "DatabaseError"):
            raise
        diagnosis = getattr(error.orig, "diag", None)
        said = " ".join(str(getattr(diagnosis, "message_primary", None) or error.orig).split())
        remedy = next((remedy for sign, remedy in remedies.items() if sign in said), otherwise)
        raise Unavailable(f"database {place}: {said}; {remedy}.") from error
