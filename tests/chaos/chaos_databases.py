"""The databases that farms are put on, and what can be done to them."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from postgres_cases import SERVER, run
from sqlalchemy import make_url

from farm.clock import SystemClock
from farm.queue import SqlQueue, open_queue


class Database(Protocol):
    """Where a farm's facts are."""

    url: str
    away_is: str
    """What ``away`` is called in the table."""

    def away(self) -> AbstractContextManager[None]:
        """Keep the farm from it for as long as the context lasts."""
        ...

    def drop(self) -> None:
        """Remove it."""
        ...


class Sqlite:
    """A file in the farm's home."""

    away_is = "SQLite locked by another"

    def __init__(self, folder: Path) -> None:
        self._file = folder / "farm.db"
        self.url = f"sqlite:///{self._file}"

    @contextmanager
    def away(self) -> Iterator[None]:
        """Another process holds the lock that every writer needs."""
        with closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def drop(self) -> None:
        """The folder is the test's."""


class Postgres:
    """A database of its own on a server that others use, too."""

    away_is = "PostgreSQL restarted"

    def __init__(self) -> None:
        self._name = f"farm_chaos_{uuid.uuid4().hex[:12]}"
        run(f"CREATE DATABASE {self._name}")
        self.url = make_url(SERVER).set(database=self._name).render_as_string(hide_password=False)

    @contextmanager
    def away(self) -> Iterator[None]:
        """End every session and let none begin: what clients see of a server that restarts."""
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'"
        run(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false", ended)
        try:
            yield
        finally:
            run(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def drop(self) -> None:
        """Sessions of processes that were killed may hang on for a moment."""
        run(f"DROP DATABASE {self._name} WITH (FORCE)")


@contextmanager
def looked_at(database: Database) -> Iterator[SqlQueue]:
    """The queue as an auditor opens it, apart from the farm."""
    queue = open_queue(database.url, SystemClock())
    try:
        yield queue
    finally:
        queue.close()
