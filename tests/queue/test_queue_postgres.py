"""What only a server can show: it goes away, it refuses, and its notifications are lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from postgres_cases import SERVER, emptied, need_server
from queue_cases import job_spec, progress
from sqlalchemy import event, make_url

from farm.clock import ManualClock
from farm.errors import Unavailable
from farm.queue import open_queue
from farm.queue import postgres as opening
from farm.queue.bell import Bell
from farm.queue.postgres import PostgresQueue
from farm.spec import JobState
from farm.spec.event import Done


class Watched(PostgresQueue):
    """A queue whose connections the test can have dropped."""

    def __init__(self) -> None:
        super().__init__(emptied(), ManualClock(), patience=0.2)
        self.pids: list[int] = []
        self._engine.dispose()
        event.listen(
            self._engine, "connect", lambda connection, _: self.pids.append(connection.info.backend_pid)
        )


@pytest.fixture
def queue() -> Iterator[Watched]:
    with closing(Watched()) as queue:
        yield queue


def drop_connections(queue: Watched) -> None:
    """Have the server end the queue's connections, and no others."""
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS p(pid)", [queue.pids]
        )
    queue.pids.clear()


def test_connections_dropped_while_idle_are_replaced(
    queue: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "IDLE_SECONDS", 0.0)
    queue.add("j1", job_spec())
    drop_connections(queue)
    assert queue.job("j1").state is JobState.QUEUED
    drop_connections(queue)
    assert queue.claim("w", 30) is not None


def test_a_connection_that_lay_idle_serves_readers_and_writers(
    queue: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "IDLE_SECONDS", 0.0)
    queue.add("j1", job_spec())
    assert queue.job("j1") == queue.jobs()[0]
    assert queue.claim("w", 30) is not None
    # One of the queue and one of its bell.
    assert len(queue.pids) <= 2


def test_a_connection_dropped_in_use_is_one_sentence_and_leaves_nothing(queue: Watched) -> None:
    queue.add("j1", job_spec())
    lease = queue.claim("w", 30)
    assert lease is not None

    def interrupted() -> None:
        with queue._writing("test") as ledger:
            ledger.log("j1", progress(lease))
            drop_connections(queue)

    with pytest.raises(Unavailable, match=r"^database postgresql://.*terminat.*; try again\.$"):
        interrupted()
    assert [event.kind for event in queue.events("j1")] == ["queued"]
    queue.complete(lease, Done())
    assert queue.job("j1").state is JobState.DONE


def test_a_job_that_is_held_is_one_sentence(queue: Watched) -> None:
    queue.add("j1", job_spec())
    schema = queue._schema()
    with psycopg.connect(SERVER) as other:
        other.execute(f"SELECT 1 FROM {schema}.jobs WHERE id = 'j1' FOR UPDATE".encode())
        with pytest.raises(Unavailable, match="lock timeout; try again"):
            queue.cancel("j1")
        assert queue.job("j1").state is JobState.QUEUED
    assert queue.cancel("j1").state is JobState.CANCELLED


def test_claims_pass_over_a_job_that_others_hold(queue: Watched) -> None:
    queue.add("first", job_spec(priority=90))
    queue.add("second", job_spec(priority=10))
    schema = queue._schema()
    with psycopg.connect(SERVER) as other:
        other.execute(f"SELECT 1 FROM {schema}.jobs WHERE id = 'first' FOR UPDATE".encode())
        lease = queue.claim("w", 30)
        assert lease is not None
        assert lease.job == "second"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"port": 1}, "refused.*; start the server, or set FARM_DATABASE to where it runs"),
        ({"database": "no-such"}, "does not exist; create it"),
        ({"username": "no-such"}, "does not exist; create it|authentication failed"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_sentence(change: dict[str, object], message: str) -> None:
    need_server()
    url = make_url(SERVER).set(password="secret", **change)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match=message) as caught:
        open_queue(url.render_as_string(hide_password=False), ManualClock())
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


def test_events_of_another_process_end_the_wait(queue: Watched) -> None:
    """The other queue stands for another process: they share nothing but the server."""
    with closing(open_queue(emptied(), ManualClock())) as other:
        version = queue.version()
        found: list[int] = []
        waiter = threading.Thread(target=lambda: found.append(queue.wait(version, 60.0)))
        waiter.start()
        other.add("j1", job_spec())
        waiter.join()
        assert found == [other.version()]


def test_a_lost_notification_costs_the_timeout_and_no_event(
    queue: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bell, "ring", lambda bell: None)
    version = queue.version()
    found: list[int] = []
    waiter = threading.Thread(target=lambda: found.append(queue.wait(version, 0.3)))
    waiter.start()
    queue.add("j1", job_spec())
    waiter.join()
    assert found == [queue.version()]


def test_a_listener_that_was_dropped_comes_back(
    queue: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.queue.bell.RECONNECT", 0.05)
    monkeypatch.setattr(opening, "IDLE_SECONDS", 0.0)
    assert queue.wait(queue.version(), 0.0) == queue.version()
    heard = queue._bell.heard()
    drop_connections(queue)
    # It rings by itself once it listens again, for whatever it has missed.
    assert queue._bell.wait(heard, 30.0)
    assert queue._bell.heard() > heard


def test_closing_ends_the_wait(queue: Watched) -> None:
    version = queue.version()
    waiter = threading.Thread(target=lambda: queue._bell.wait(queue._bell.heard(), 60.0))
    waiter.start()
    queue.close()
    waiter.join(30.0)
    assert not waiter.is_alive()
    assert queue.version() == version
