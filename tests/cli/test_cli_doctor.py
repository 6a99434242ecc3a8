"""``farm doctor``: every check finds what is wrong and says what to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import psutil
import pytest
from postgres_cases import schema

from farm.cli.checks import CHECKS, machine, packages, run, running, state
from farm.cli.checks.row import Doubt
from farm.clock import ManualClock, SystemClock
from farm.errors import Unavailable
from farm.queue import MemoryQueue, open_queue
from farm.queue.tables import SCHEMA_VERSION
from farm.settings import Settings

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]
CLOCK = SystemClock()


class Running(Protocol):
    """A farm that answers, as the fixture makes it."""

    queue: MemoryQueue
    url: str


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", url="http://127.0.0.1:9")


def test_doctor_reports_every_check(models: Path, farm: Farm, capsys: Captured) -> None:
    assert farm("doctor", "--json") in (0, 1)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(CHECKS)
    for name in (
        "python",
        "farm extra",
        "packages",
        "ray",
        "home",
        "token",
        "database",
        "store",
        "farm",
    ):
        assert rows[name]["ok"], rows[name]
    assert set(rows["python"]) == {"name", "ok", "level", "detail", "remedy"}


def test_doctor_fails_with_a_remedy(farm: Farm, capsys: Captured) -> None:
    assert farm("doctor") == 1
    out = capsys.readouterr().out
    assert "fail" in out
    assert "set FARM_MODELS" in out


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="set FARM_HOME"):
        state.home(Settings(home=tmp_path / "file" / "home"), CLOCK)


def test_a_clock_that_is_wrong(settings: Settings) -> None:
    with pytest.raises(Unavailable, match="before 2026"):
        machine.clocks(settings, ManualClock(0))
    with pytest.raises(Unavailable, match="off this machine"):
        machine.clocks(settings, ManualClock(4_000_000_000))
    found = machine.clocks(settings, CLOCK)
    assert isinstance(found, str)
    assert f"{settings.folder} " in found


def test_a_clock_that_is_a_little_wrong_is_doubted(settings: Settings) -> None:
    found = machine.clocks(settings, ManualClock(CLOCK.now() + 20))
    assert isinstance(found, Doubt)
    assert "-20." in found.detail


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} on .* set FARM_PORT"):
            running.ports(Settings(home=tmp_path, url="http://127.0.0.1:9", port=port), CLOCK)


def test_a_token_that_others_can_read(settings: Settings) -> None:
    assert "farm up" in state.token(settings, CLOCK)
    settings.folder.mkdir()
    path = settings.folder / "ray.token"
    path.write_text("secret")
    path.chmod(0o644)
    with pytest.raises(Unavailable, match=f"mode 0644.*; chmod 600 {path}"):
        state.token(settings, CLOCK)
    path.chmod(0o600)
    assert state.token(settings, CLOCK) == "mode 0600"


def test_a_database_is_looked_at_and_not_touched(settings: Settings) -> None:
    assert "none yet" in state.database(settings, CLOCK)
    assert not settings.folder.exists()
    open_queue(settings.database_url, CLOCK).close()
    file = settings.folder / "farm.db"
    assert state.database(settings, CLOCK).startswith(f"{file}, whole, schema ")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE schema_version SET version = 999")
    with pytest.raises(Unavailable, match=r"tables are version 999.*; install the farm that made it"):
        state.database(settings, CLOCK)


def test_a_server_that_is_not_there_is_one_row(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    away = settings.model_copy(update={"database": f"postgresql://me:secret@127.0.0.1:{port}/farm"})
    (row,) = run({"database": state.database}, away, CLOCK)
    assert (row.level, row.remedy[:16]) == ("fail", "start the server")
    assert "secret" not in row.detail


def test_a_server_is_asked_for_its_tables_and_its_clock(tmp_path: Path) -> None:
    with schema() as url:
        settings = Settings(home=tmp_path, database=url)
        assert "'farm up' makes them" in state.database(settings, CLOCK)
        open_queue(url, CLOCK).close()
        assert f"schema {SCHEMA_VERSION}" in state.database(settings, CLOCK)
        found = machine.clocks(settings, CLOCK)
        assert isinstance(found, str)
        assert "the database" in found
        with pytest.raises(Unavailable, match="the database is"):
            machine.clocks(settings, AheadOfServers())


class AheadOfServers(ManualClock):
    """As the folder's, but not as the database server's."""

    def __init__(self) -> None:
        super().__init__(CLOCK.now())
        self._asked = 0

    def now(self) -> float:
        self._asked += 1
        return super().now() + (500 if self._asked > 2 else 0)


def test_a_damaged_database_is_found(settings: Settings) -> None:
    open_queue(settings.database_url, CLOCK).close()
    file = settings.folder / "farm.db"
    with file.open("r+b") as handle:
        handle.seek(4096)
        handle.write(os.urandom(8192))
    with pytest.raises(Unavailable, match="farm restore"):
        state.database(settings, CLOCK)
    file.write_bytes(b"not a database at all" * 99)
    with pytest.raises(Unavailable, match="not a database"):
        state.database(settings, CLOCK)


@pytest.mark.parametrize(("free", "level"), [(0.5e9, "fail"), (5e9, "warn"), (50e9, "ok")])
def test_room_for_pictures(
    settings: Settings, free: float, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    (row,) = run({"store": state.store}, settings, CLOCK)
    assert row.level == level
    assert ("make room" in row.remedy) is (level != "ok")


@pytest.mark.parametrize(("free", "level"), [(0.5e9, "fail"), (2e9, "warn"), (8e9, "ok")])
def test_memory(settings: Settings, free: float, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.engine.memory.free_bytes", lambda device: free)
    (row,) = run({"memory": machine.memory}, settings, CLOCK)
    assert row.level == level


def test_shared_memory_of_a_small_container(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SHARED", Path("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=64e6))
    (row,) = run({"shared": machine.shared_memory}, settings, CLOCK)
    assert (row.level, "--shm-size" in row.remedy) == ("warn", True)
    monkeypatch.setattr(machine, "SHARED", Path("/nowhere/shm"))
    assert machine.shared_memory(settings, CLOCK) == "not used on this system"


def test_packages_out_of_range_and_untested_ones() -> None:
    wanted = ["pydantic>=2", "pydantic<2", "no-such-package>=1", 'ray==0.1; extra == "farm"']
    first, second = packages.out_of_range(wanted)
    assert first.startswith("pydantic 2.")
    assert first.endswith("is not <2")
    assert second.endswith("is not ==0.1")
    (other,) = packages.untested("pydantic==0.0.1\nno-such-package==1\n# pytest==0\n")
    assert other.startswith("pydantic 2.")
    assert other.endswith("(tested: 0.0.1)")


def test_a_running_farm_is_asked(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from farm.cli.checks import running as checks

    found = checks.farm(Settings(url=running.url), CLOCK)
    assert isinstance(found, Doubt)
    assert found.detail.startswith("gateway 0.1.0, dispatcher 0.1.0, here 0.1.0+")
    monkeypatch.setattr("farm.tiers.version.code_version", lambda: "0.1.0")
    found = checks.farm(Settings(url=running.url), CLOCK)
    assert found == f"answers at {running.url}, 2 processes"
    assert checks.ports(Settings(url=running.url), CLOCK) == f"a farm runs at {running.url}"


def test_a_farm_that_was_killed_is_told_from_one_that_never_ran(settings: Settings) -> None:
    assert running.farm(settings, CLOCK) == "none runs here; 'farm up' starts one"
    settings.folder.mkdir()
    facts = {"pid": 2**22 - 1, "process_started": 0.0, "url": settings.farm_url}
    (settings.folder / "farm.json").write_text(json.dumps(facts))
    found = running.farm(settings, CLOCK)
    assert isinstance(found, Doubt)
    assert "killed" in found.detail


def test_a_farm_that_runs_and_is_silent_fails_and_keeps_its_ports(settings: Settings) -> None:
    settings.folder.mkdir()
    process = psutil.Process()
    facts = {"pid": process.pid, "process_started": process.create_time(), "url": settings.farm_url}
    (settings.folder / "farm.json").write_text(json.dumps(facts))
    with pytest.raises(Unavailable, match="does not answer"):
        running.farm(settings, CLOCK)
    assert running.ports(settings, CLOCK) == f"a farm runs at {settings.farm_url}"


def test_a_check_that_breaks_does_not_hide_the_others(settings: Settings) -> None:
    def missing(settings: Settings, clock: object) -> str:
        raise ModuleNotFoundError("No module", name="torch")

    def broken(settings: Settings, clock: object) -> str:
        raise ValueError("odd")

    rows = run({"a": missing, "b": broken, "c": state.home}, settings, CLOCK)
    assert [row.ok for row in rows] == [False, False, True]
    assert "style-farm[farm]" in rows[0].remedy
    assert rows[1].detail == "ValueError: odd"
