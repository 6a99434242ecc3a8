"""A copy of the queue, made while it is used, goes on where it was made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from audit import findings
from postgres_cases import SERVER, need_server, schema
from queue_cases import database, job_spec, progress

from farm.clock import ManualClock
from farm.errors import InvalidInput
from farm.queue import MemoryQueue, Queue, SqlQueue, open_queue
from farm.spec import Lease
from farm.spec.event import Done


def used(queue: Queue) -> Lease:
    """Put a job in, half done; returns the lease that is still held."""
    queue.add("j1", job_spec(labels={"shot": "sq010"}), tasks=("a", "b"))
    first, second = queue.claim("w1", 30), queue.claim("w1", 30)
    assert first is not None
    assert second is not None
    queue.complete(first, Done())
    queue.record(second, progress(second))
    return second


def facts(queue: Queue) -> tuple[object, ...]:
    return queue.job("j1"), queue.tasks("j1"), queue.attempts("j1"), queue.events("j1")


def goes_on(queue: SqlQueue, lease: Lease) -> None:
    """The restored queue works, and gives no token that was given after the copy."""
    assert findings(queue) == {}
    queue.complete(lease, Done())
    queue.add("j2", job_spec())
    later = queue.claim("w2", 30)
    assert later is not None
    assert later.token > lease.token + 1000
    assert findings(queue) == {}


def test_a_copy_of_sqlite_goes_on(tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "farm.db"
    with closing(open_queue(database(tmp_path), ManualClock())) as queue:
        lease = used(queue)
        queue.backup(copy)
        before = facts(queue)
        queue.record(lease, progress(lease))
        with pytest.raises(
            InvalidInput, match=r"^backup: .*farm\.db is there already; name a new file"
        ):
            queue.backup(copy)
    with closing(open_queue(database(copy.parent), ManualClock())) as restored:
        assert facts(restored) == before
        goes_on(restored, lease)


def test_other_queues_say_how_they_are_copied(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is in memory"):
        MemoryQueue(ManualClock()).backup(tmp_path / "copy")
    with (
        schema() as url,
        closing(open_queue(url, ManualClock())) as queue,
        pytest.raises(InvalidInput, match="is PostgreSQL; copy it with: pg_dump --format=custom"),
    ):
        queue.backup(tmp_path / "copy")


@pytest.fixture
def restored() -> Iterator[str]:
    """The name of a database that is dropped in the end."""
    need_server()
    name = f"farm_restored_{os.getpid()}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield name
        connection.execute(f"DROP DATABASE {name}".encode())


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not on this machine")
def test_a_dump_of_postgresql_goes_on(tmp_path: Path, restored: str) -> None:
    """The commands of docs/queue.md."""
    dump = str(tmp_path / "farm.dump")
    with schema() as url, closing(open_queue(url, ManualClock())) as queue:
        lease = used(queue)
        name = queue._bell._channel.removeprefix("farm ")  # type: ignore[attr-defined]
        run("pg_dump", "--format=custom", f"--file={dump}", f"--schema={name}", SERVER)
        before = facts(queue)
        queue.record(lease, progress(lease))
    there = SERVER.rpartition("/")[0] + f"/{restored}"
    run("pg_restore", "--no-owner", f"--dbname={there}", dump)
    tokens = f"SELECT setval('{name}.farm_tokens', nextval('{name}.farm_tokens') + 1000000)"
    with psycopg.connect(there, autocommit=True) as connection:
        connection.execute(tokens.encode())
    at = f"{there}?options=-csearch_path%3D{name}"
    with closing(open_queue(at, ManualClock())) as found:
        assert facts(found) == before
        goes_on(found, lease)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
