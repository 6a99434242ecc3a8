"""A backup brings every job back as it was, and never over a farm that runs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_cases import schema

from farm import settings
from farm.cli import databases
from farm.clock import ManualClock, SystemClock
from farm.queue import SqlQueue, open_queue
from farm.spec import parse_job
from farm.spec.event import Done

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]
SPEC = parse_job(
    {"farm": 1, "kind": "print", "content": "a", "styles": [{"name": "x"}], "output": {"long_edge": 99}}
)


def opened() -> SqlQueue:
    return open_queue(settings.load().database_url, SystemClock())


@pytest.fixture
def file() -> Path:
    return settings.load().folder / "farm.db"


@pytest.fixture
def facts() -> list[str]:
    """The names of the states of jobs in a database that has one of each."""
    queue = opened()
    for state in ("running", "done", "failed", "queued", "paused", "cancelled"):
        queue.add(state, SPEC)
        if state in ("running", "done", "failed"):
            lease = queue.claim("w1", 3600)
            assert lease
            if state == "done":
                queue.complete(lease, Done())
            elif state == "failed":
                queue.fail(lease, "invalid", "no picture.")
    queue.pause("paused")
    queue.cancel("cancelled")
    states = list(queue.counts())
    queue.close()
    return states


def told() -> list[str]:
    """All there is in the queue, as text."""
    queue = opened()
    try:
        jobs = queue.jobs()
        rows = [job.model_dump_json() for job in jobs]
        for job in jobs:
            rows += [each.model_dump_json() for each in queue.tasks(job.id)]
            rows += [each.model_dump_json() for each in queue.attempts(job.id)]
            rows += [each.model_dump_json() for each in queue.events(job.id)]
        return rows
    finally:
        queue.close()


def test_a_round_trip_with_jobs_in_every_state(
    facts: list[str], file: Path, farm: Farm, capsys: Captured, tmp_path: Path
) -> None:
    before, copy = told(), tmp_path / "copy.db"
    assert {job.split('"id":"')[1].split('"')[0] for job in before if '"spec"' in job} == set(facts)
    assert farm("backup", copy) == 0
    assert capsys.readouterr().out == f"{copy}\n"
    queue = opened()
    queue.resume("paused")
    queue.add("later", SPEC)
    queue.close()
    assert farm("restore", copy) == 0
    assert [path.name for path in copy.parent.glob("copy.db*")] == ["copy.db"]
    old = next(file.parent.glob("farm.db.2*"))
    assert f"the old one is {old}" in capsys.readouterr().err
    assert told() == before
    again = open_queue(f"sqlite:///{old}", SystemClock())
    assert again.job("later").id == "later", "the old database is kept"
    again.close()
    queue = opened()
    lease = queue.claim("w2", 30)
    assert lease, "work goes on"
    queue.close()


def test_a_damaged_database_is_replaced_and_kept(
    facts: list[str], file: Path, farm: Farm, tmp_path: Path
) -> None:
    before, copy = told(), tmp_path / "copy.db"
    assert farm("backup", copy) == 0
    file.write_bytes(b"a disk that lies" * 1000)
    assert farm("restore", copy) == 0
    assert told() == before
    assert next(file.parent.glob("farm.db.2*")).read_bytes().startswith(b"a disk that lies")


def test_a_backup_of_a_running_database_is_whole(facts: list[str], farm: Farm, tmp_path: Path) -> None:
    queue, copy = opened(), tmp_path / "copy.db"
    queue.add("open", SPEC)
    assert farm("backup", copy, "--json") == 0
    queue.close()
    assert "schema" in databases.examine(f"sqlite:///{copy}")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (7,)
    connection.close()


def test_what_is_there_is_not_written_over(facts: list[str], farm: Farm, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("my novel")
    assert farm("backup", copy) == 2
    assert copy.read_text() == "my novel"


def test_nothing_to_back_up_makes_nothing(farm: Farm, capsys: Captured, file: Path) -> None:
    assert farm("backup", file.with_name("copy.db")) == 4
    assert "FARM_HOME" in capsys.readouterr().err
    assert not file.parent.exists()


def _text(path: Path) -> None:
    path.write_text("my novel" * 999)


def _strange(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE novel (page TEXT)")
    connection.close()


def _newer(path: Path) -> None:
    opened().close()
    assert databases.file_of(settings.load().database_url)
    source = settings.load().folder / "farm.db"
    path.write_bytes(source.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 999")
    connection.close()


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        pytest.param(lambda path: None, 4, "is not there", id="missing"),
        pytest.param(_text, 1, "not a database", id="text"),
        pytest.param(_strange, 2, "no farm's", id="strange"),
        pytest.param(_newer, 1, "install the farm that made it", id="newer"),
    ],
)
def test_what_is_no_backup_leaves_the_database_as_it_is(
    make: Callable[[Path], None], code: int, words: str, facts: list[str], farm: Farm,
    capsys: Captured, tmp_path: Path,
) -> None:  # fmt: skip
    source, before = tmp_path / "source.db", told()
    make(source)
    assert farm("restore", source) == code
    assert words in capsys.readouterr().err
    assert told() == before


def test_a_farm_that_runs_is_not_restored_over(
    facts: list[str], farm: Farm, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farm.tiers import local

    copy = tmp_path / "copy.db"
    assert farm("backup", copy) == 0
    monkeypatch.setattr(local, "state", lambda chosen: {"pid": 1})
    assert farm("restore", copy) == 2
    assert "'farm down' first" in capsys.readouterr().err


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM jobs")
print("open", flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_left_of_a_killed_farm_is_named(
    facts: list[str], file: Path, farm: Farm, capsys: Captured, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    assert farm("backup", copy) == 0
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        assert farm("restore", copy) == 2
        assert f"process {holder.pid} " in capsys.readouterr().err
        assert holder.stdin
        holder.stdin.close()
    assert farm("restore", copy) == 0


def test_a_server_is_backed_up_with_its_own_tools(
    farm: Farm, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_DATABASE", "postgresql+psycopg://me:secret@db.example/farm")
    for command, tool in (("backup", "pg_dump --format=custom"), ("restore", "pg_restore --clean")):
        assert farm(command, tmp_path / "copy.db") == 2
        err = capsys.readouterr().err
        assert tool in err
        assert "postgresql://me@db.example/farm" in err
        assert "secret" not in err


def test_the_old_one_is_named_by_the_date(facts: list[str], file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    queue = opened()
    queue.backup(copy)
    queue.close()
    old = databases.restore(f"sqlite:///{file}", copy, ManualClock())
    assert old == file.with_name("farm.db.2027-01-15T08-00-00")
    assert json.dumps(told())


def test_a_farm_moves_to_postgresql_and_back(
    facts: list[str], farm: Farm, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told()
    with schema() as server:
        assert farm("move-database", server, "--json") == 0
        assert json.loads(capsys.readouterr().out)["rows"]["jobs"] == 6
        monkeypatch.setenv("FARM_DATABASE", server)
        assert told() == before
        queue = opened()
        again = queue.claim("w2", 30)
        assert again
        assert again.token == 4, "three attempts have begun before"
        queue.add("new", SPEC)
        queue.close()
        there = told()
        assert farm("move-database", server) == 2
        assert "has jobs already" in capsys.readouterr().err
        assert farm("move-database", f"sqlite:///{tmp_path / 'back.db'}") == 0
    assert "Set FARM_DATABASE" in capsys.readouterr().err
    monkeypatch.setenv("FARM_DATABASE", f"sqlite:///{tmp_path / 'back.db'}")
    assert told() == there
    queue = opened()
    queue.add("newer", SPEC)
    last = queue.claim("w3", 30)
    queue.close()
    assert last
    assert last.token == 5
