"""PostgreSQL as the queue's database: any number of machines."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from farm.clock import Clock
from farm.errors import InvalidInput
from farm.queue.bell import Bell
from farm.queue.database import parse
from farm.queue.postgres_rows import PostgresRows
from farm.queue.sql import SqlQueue

REMEDIES = {
    "refused": "start the server, or set FARM_DATABASE to where it runs",
    "resolve host": "correct the host in FARM_DATABASE",
    "authentication failed": "correct user and password in FARM_DATABASE",
    "no password": "give user and password in FARM_DATABASE",
    "does not exist": "create it (createdb, createuser), or correct FARM_DATABASE",
    "permission denied": "grant that to the user in FARM_DATABASE",
    "too many": "raise the server's max_connections",
    "starting up": "try again in a moment",
    "shutting down": "start the server again",
    "lock timeout": "try again; if it goes on, end the session that holds the lock",
    "deadlock": "try again",
    "No space": "make room on the server's disk",
    "terminating connection": "try again",
    "closed": "try again; if it goes on, see the server's log",
    "timeout": "see whether the server can be reached",
}
"""What to do, by what PostgreSQL or its driver says."""

OTHERWISE = "see the server's log"
CONNECT_SECONDS = 5
IDLE_SECONDS = 1.0
"""A connection that was used so lately is not tried before its next use."""

CONNECTIONS = 8
MOST_CONNECTIONS = 32
"""Connections of one process: kept open, and at most."""


class PostgresQueue(SqlQueue):
    """Rows in a PostgreSQL database, which the farm's processes on all machines share.

    Args:
        url: ``postgresql://user:password@host:port/database``; the tables are made where missing.
        clock: the time that leases are measured by; machines must agree on it to a few seconds.
        patience: seconds to wait for another transaction, or for a free connection.

    Raises:
        InvalidInput: the URL is not one of a PostgreSQL database.
        Unavailable: it cannot be opened or its tables are a newer version's.
    """

    remedies = REMEDIES
    otherwise = OTHERWISE

    def __init__(self, url: str, clock: Clock, *, patience: float = 15.0) -> None:
        parsed = parse(url)
        place = parsed.render_as_string(hide_password=True).replace("postgresql+psycopg", "postgresql")
        super().__init__(connect(parsed, patience), clock, place.partition("?")[0])
        self._bell = Bell(self._engine, f"farm {self._schema()}")

    def wait(self, version: int, timeout: float) -> int:
        """Wait for an event of any job; a notification that was lost costs the timeout."""
        until = time.monotonic() + timeout
        while True:
            heard = self._bell.heard()
            now = self.version()
            left = until - time.monotonic()
            if now != version or left <= 0 or not self._bell.wait(heard, left):
                return now

    def backup(self, path: Path) -> None:
        """Nothing: the server's own tools do it.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput(
            f"backup: {self._place} is PostgreSQL; copy it with: pg_dump --format=custom "
            f"--file={path} DATABASE (see docs/queue.md).",
            field="backup",
        )

    def close(self) -> None:
        """Let go of the server."""
        self._bell.close()
        self._engine.dispose()

    def _rows(self, connection: Connection, *, write: bool) -> PostgresRows:
        return PostgresRows(connection, write=write)

    def _set_up(self, connection: Connection, *, write: bool) -> None:
        if not write:
            # Each question is one statement; to begin and end a transaction would be two more.
            connection.execution_options(isolation_level="AUTOCOMMIT")

    def _tell(self) -> None:
        self._bell.ring()

    def _schema(self) -> str:
        with self._spoken(), self._engine.connect() as connection:
            return str(connection.exec_driver_sql("SELECT current_schema()").scalar_one())


def connect(url: URL, patience: float) -> Engine:
    """An engine on the PostgreSQL database at ``url``, which waits ``patience`` seconds for a lock.

    A connection that was dropped while it lay idle is replaced before its next use.
    """
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - CONNECTIONS,
        pool_timeout=patience,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "style-farm"},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: psycopg.Connection, _record: object) -> None:
        with connection.transaction():
            connection.execute(f"SET lock_timeout = {int(patience * 1000)}")
            # An answer that the server lost in a crash must not have been given.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )

    @event.listens_for(engine, "checkin")
    def _lay_down(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("idle_since", math.inf) < IDLE_SECONDS:
            return
        try:
            connection.execute("")
            # The look has begun a transaction.
            connection.rollback()
        except psycopg.Error as error:
            raise DisconnectionError(str(error)) from error

    return engine
