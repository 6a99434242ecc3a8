"""The faults themselves: what is said to fail does fail, and works again afterwards."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from chaos_databases import Postgres
from chaos_farm import Farm, until
from chaos_faults import unwritable
from postgres_cases import need_server

from farm.clock import SystemClock
from farm.errors import Unavailable
from farm.queue import open_queue
from farm.store import BlobStore

CHILDREN = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={})
time.sleep(600)
"""


def test_an_unwritable_store_takes_nothing_and_can_be_read(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    name = store.put(b"before")
    with unwritable(tmp_path):
        with pytest.raises(Unavailable, match="cannot be written"):
            store.put(b"meanwhile")
        assert store.get(name) == b"before"
    store.put(b"after")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sha256", "tmp"]


def test_a_store_that_was_never_written_can_be_unwritable_too(tmp_path: Path) -> None:
    with unwritable(tmp_path), pytest.raises(Unavailable):
        BlobStore(str(tmp_path)).check()
    BlobStore(str(tmp_path)).check()


def test_a_database_that_is_away_lets_nobody_in_and_comes_back() -> None:
    need_server()
    database = Postgres()
    try:
        with closing(open_queue(database.url, SystemClock())) as queue:
            with database.away(), pytest.raises(Unavailable):
                queue.version()
            assert queue.version() == 0
    finally:
        database.drop()


def test_every_process_of_a_farm_is_found_and_killed(tmp_path: Path) -> None:
    farm = Farm(tmp_path / "home", tmp_path, {})
    farm.spawn([sys.executable, "-c", CHILDREN])
    try:
        until(lambda: len(farm.family()) == 2, 60.0, "a child and its child without an environment")
        family = farm.family()
        assert psutil.Process() not in family
    finally:
        farm.kill()
    assert farm.family() == set()
    assert all(each.status() == psutil.STATUS_ZOMBIE for each in family if each.is_running())
