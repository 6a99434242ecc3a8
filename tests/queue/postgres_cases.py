"""A PostgreSQL to test on, in schemas of the tests' own.

``FARM_TEST_POSTGRES`` says where; without a server the tests are skipped, but fail where ``CI`` is set.
"""

from __future__ import annotations

import atexit
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psycopg
import pytest

from farm.clock import ManualClock
from farm.queue import open_queue
from farm.queue.tables import metadata

SERVER = os.environ.get("FARM_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
SCHEMAS: list[str] = []


@cache
def missing() -> str:
    """Why the server cannot be used; empty if it can."""
    try:
        with psycopg.connect(SERVER, connect_timeout=3):
            return ""
    except psycopg.Error as error:
        return f"no PostgreSQL at {SERVER}: {error}"


def need_server() -> None:
    if missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing())


def run(*statements: str) -> None:
    need_server()
    with psycopg.connect(SERVER, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def schema() -> Iterator[str]:
    """The URL of a new, empty schema."""
    name = f"farm_q_{uuid.uuid4().hex[:12]}"
    run(f"CREATE SCHEMA {name}")
    try:
        yield within(name)
    finally:
        drop(name)


def within(name: str) -> str:
    return f"{SERVER}{'&' if '?' in SERVER else '?'}options=-csearch_path%3D{name}"


def drop(name: str) -> None:
    run(f"DROP SCHEMA {name} CASCADE")


def emptied() -> str:
    """The URL of the schema that the tests of this process share, with its tables emptied."""
    if not SCHEMAS:
        name = f"farm_q_{uuid.uuid4().hex[:12]}"
        run(f"CREATE SCHEMA {name}")
        SCHEMAS.append(name)
        atexit.register(drop, name)
        open_queue(within(name), ManualClock()).close()
    kept = {"schema_version", "counters"}
    tables = [table.name for table in reversed(metadata.sorted_tables) if table.name not in kept]
    run(*(f"DELETE FROM {SCHEMAS[0]}.{table}" for table in tables))
    return within(SCHEMAS[0])
