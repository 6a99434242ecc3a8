"""What only a database can show: it lasts, it is shared, and it can be out of order."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from queue_cases import database, job_spec, progress
from sqlalchemy import event

from farm.clock import ManualClock
from farm.errors import InvalidInput, Unavailable
from farm.queue import SqliteQueue, SqlQueue, open_queue
from farm.spec import JobState, Lease
from farm.spec.event import Done


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    clock = ManualClock()
    queue = open_queue(database(tmp_path / "new" / "home"), clock)
    queue.add("j1", job_spec(labels={"shot": "sq010"}))
    lease = queue.claim("w1", 30)
    assert lease is not None
    queue.record(lease, progress(lease))
    seen = [queue.job("j1"), queue.tasks("j1"), queue.attempts("j1"), queue.events("j1")]
    version = queue.version()
    queue.close()

    again = open_queue(database(tmp_path / "new" / "home"), clock)
    assert [again.job("j1"), again.tasks("j1"), again.attempts("j1"), again.events("j1")] == seen
    assert again.version() == version
    again.complete(lease, Done())
    again.add("j2", job_spec())
    later = again.claim("w1", 30)
    assert later is not None
    assert later.token > lease.token
    again.close()


def test_two_queues_on_one_file_never_claim_a_task_twice(tmp_path: Path) -> None:
    clock = ManualClock()
    queues = [open_queue(database(tmp_path), clock) for _ in range(2)]
    names = [f"j{index}" for index in range(12)]
    for name in names:
        queues[0].add(name, job_spec())
    leases: list[Lease] = []
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def work(queue: SqlQueue, worker: str) -> None:
        try:
            start.wait()
            while (lease := queue.claim(worker, 30)) is not None:
                leases.append(lease)
                queue.record(lease, progress(lease))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(queues[index % 2], f"w{index}")) for index in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(lease.job for lease in leases) == sorted(names)
    assert len({lease.token for lease in leases}) == len(names)
    for queue in queues:
        assert queue.counts()["running"] == len(names)
        queue.close()


def test_many_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(6)

    def open_and_add(name: str) -> None:
        try:
            start.wait()
            queue = open_queue(database(tmp_path), ManualClock())
            queue.add(name, job_spec())
            queue.close()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=open_and_add, args=(f"j{index}",)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    queue = open_queue(database(tmp_path), ManualClock())
    assert len(queue.jobs()) == 6
    queue.close()


def test_the_database_is_set_to_last(tmp_path: Path) -> None:
    queue = open_queue(database(tmp_path), ManualClock())
    with queue._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    queue.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:secret@db/farm", "'mysql' is not available"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("not a url with secret", "the URL cannot be read"),
    ],
)
def test_other_urls_are_invalid(url: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^database: .*{message}.*sqlite:////path") as caught:
        open_queue(url, ManualClock())
    assert "secret" not in caught.value.message


def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match=r"^database .*file/farm\.db: its folder cannot be made"):
        open_queue(database(tmp_path / "file"), ManualClock())


def test_a_folder_in_place_of_the_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "farm.db").mkdir()
    with pytest.raises(Unavailable, match=r"farm\.db: unable to open database file; check that"):
        open_queue(database(tmp_path), ManualClock())


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "farm.db").write_bytes(b"a picture, not a database" * 100)
    with pytest.raises(Unavailable, match=r"farm\.db: file is not a database; move the file away"):
        open_queue(database(tmp_path), ManualClock())


def test_tables_of_another_version_are_one_sentence(tmp_path: Path) -> None:
    open_queue(database(tmp_path), ManualClock()).close()
    raw = sqlite3.connect(tmp_path / "farm.db")
    raw.execute("UPDATE schema_version SET version = 7")
    raw.commit()
    raw.close()
    with pytest.raises(Unavailable, match=r"its tables are version 7, this farm's are \d+; use"):
        open_queue(database(tmp_path), ManualClock())


def test_a_locked_database_is_one_sentence(tmp_path: Path) -> None:
    queue = SqliteQueue(database(tmp_path), ManualClock(), patience=0.05)
    queue.add("j1", job_spec())
    raw = sqlite3.connect(tmp_path / "farm.db", isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"database is locked; another process holds it"):
        queue.cancel("j1")
    assert queue.job("j1").state is JobState.QUEUED
    raw.execute("ROLLBACK")
    raw.close()
    assert queue.cancel("j1").state is JobState.CANCELLED
    queue.close()


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("max_page_count=1", "database or disk is full; make room on its disk"),
        ("query_only=ON", "attempt to write a readonly database; make the file"),
    ],
)
def test_a_database_that_takes_no_more_is_one_sentence(
    tmp_path: Path, pragma: str, message: str
) -> None:
    queue = open_queue(database(tmp_path), ManualClock())
    queue.add("j1", job_spec())
    queue.close()

    @event.listens_for(queue._engine, "connect")
    def _limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    with pytest.raises(Unavailable, match=message):
        queue.add("j2", job_spec(labels={"pad": "x" * 20_000}))
    assert [job.id for job in queue.jobs()] == ["j1"]
    queue.close()
