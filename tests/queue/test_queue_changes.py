"""Waiting for a SQLite file to change, with the system's help and without."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from farm.queue import changes as room
from farm.queue.changes import changes


@pytest.fixture(params=["told", "looking"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose changes the system tells of, or does not."""
    if request.param == "looking":
        monkeypatch.setattr(room, "_notes_of", lambda file: None)
    elif not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells of writes")
    return tmp_path / "farm.db"


def test_it_comes_back_at_once_and_at_the_end(file: Path) -> None:
    assert len(list(changes(file, 0.0, threading.Event()))) == 1


def test_a_write_between_two_looks_is_not_missed(file: Path) -> None:
    looks = changes(file, 60.0, threading.Event())
    next(looks)
    file.with_name("farm.db-wal").write_bytes(b"a commit")
    next(looks)
    looks.close()


def test_closing_ends_it(file: Path) -> None:
    closed = threading.Event()
    looks = changes(file, 60.0, closed)
    next(looks)
    closed.set()
    assert list(looks) == []


def test_it_is_told_and_does_not_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens, so nothing wakes it but its time."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells of writes")
    monkeypatch.setattr(room, "MISSED_SECONDS", 60.0)
    monkeypatch.setattr(room, "LOOKS_PER_SECOND", 1e6)
    assert len(list(changes(tmp_path / "farm.db", 0.1, threading.Event()))) == 2


def test_where_too_many_watch_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(room, "_Notes", full)
    looks = changes(tmp_path / "farm.db", 60.0, threading.Event())
    next(looks)
    next(looks)
    looks.close()
