"""Tables are made by migrations, upgraded from every release, and refused where they are newer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import released
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from audit import findings
from postgres_cases import schema
from queue_cases import database, job_spec, offer
from sqlalchemy import Engine, text

from farm.clock import ManualClock
from farm.errors import Unavailable
from farm.queue import SqlQueue, open_queue, postgres, sqlite
from farm.queue.database import parse
from farm.queue.migrations import REVISIONS
from farm.queue.tables import SCHEMA_VERSION, metadata
from farm.spec.cost import Account
from farm.spec.event import Done


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        yield database(tmp_path) if request.param == "sqlite" else stack.enter_context(schema())


def engine_at(url: str) -> Engine:
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite.connect(parsed, 5.0)
    return postgres.connect(parsed, 5.0)


@pytest.fixture
def old(url: str) -> str:
    """The URL of a database of the first release."""
    engine = engine_at(url)
    released.make(engine)
    engine.dispose()
    return url


def test_every_version_has_its_revision() -> None:
    assert sorted(REVISIONS) == list(range(1, SCHEMA_VERSION + 1))


def test_migrations_and_tables_agree(url: str) -> None:
    with closing(open_queue(url, ManualClock())) as queue, queue._engine.connect() as connection:
        options = {
            "compare_type": True,
            "include_object": lambda thing, *_: "alembic" not in str(thing),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_database_of_every_release_goes_on(url: str, version: int) -> None:
    engine = engine_at(url)
    released.make(engine, version)
    engine.dispose()
    clock = ManualClock(released.NOW)
    with closing(open_queue(url, clock)) as queue:
        assert findings(queue) == {}
        counts = {job.id: job.tasks for job in queue.jobs()}
        assert counts["runs"] == {"leased": 1, "ready": 1}
        assert counts["failed"] == {"failed": 1, "cancelled": 1}
        p, q = queue.projects()
        assert (p.name, p.running, p.ready, q.running, q.ready) == ("p", 1, 3, 1, 0)
        assert [job.id for job in queue.jobs(label=("shot", "sq010"), project="p")] == ["runs", "waits"]
        lease = next(lease for lease in queue.held() if lease.job == "runs")
        queue.complete(lease, Done())
        claimed = [queue.claim("w", 30) for _ in range(2)]
        assert [lease.task for lease in claimed if lease] == ["waits/t1", "runs/t1"]
        assert all(lease.token > 2 for lease in claimed if lease)
        assert queue.claim("w", 30) is None
        clock.advance(60)
        late = queue.claim("w", 30)
        assert late is not None
        assert late.task == "waits/t0"
        labels = released.LABELS
        assert not queue.add("waits", job_spec(priority=90, project="p", labels=labels))[1]
        queue.retry_job("failed")
        assert findings(queue) == {}


def test_what_ran_before_costs_were_kept_has_none_and_was_waited_for(old: str) -> None:
    with closing(open_queue(old, ManualClock(released.NOW + 60))) as queue:
        assert queue.account("q") == Account(project="q")
        assert queue.costs("project") == []
        done = next(wait for wait in queue.waits(0.0) if wait.job == "done")
        assert (done.first, done.final) == (0.0, 0.0)
        lease = next(lease for lease in queue.held() if lease.job == "runs")
        queue.complete(lease, Done(usd=0.25))
        assert queue.cost("runs").spent_usd == 0.0
        queue.add("new", job_spec(), offer=offer(1.0))
        assert queue.account("default").reserved_usd == 1.0
        assert findings(queue) == {}


def test_many_may_upgrade_at_once(old: str) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def open_and_add(name: str) -> None:
        try:
            start.wait()
            with closing(open_queue(old, ManualClock())) as queue:
                queue.add(name, job_spec())
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=open_and_add, args=(f"n{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with closing(open_queue(old, ManualClock())) as queue:
        assert len(queue.jobs()) == len(released.JOBS) + 4
        assert findings(queue) == {}


def test_an_upgrade_that_breaks_off_leaves_the_old_tables(old: str) -> None:
    engine = engine_at(old)
    with engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            # In the way of the migration's last index.
            connection.execute(text("CREATE TABLE nodes (name TEXT)"))
    with pytest.raises(Exception, match="already exists"):
        open_queue(old, ManualClock())
    with engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            assert connection.execute(text("SELECT version FROM schema_version")).scalar() == 1
            assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 6
            connection.execute(text("DROP TABLE nodes"))
    engine.dispose()
    with closing(open_queue(old, ManualClock())) as queue:
        assert findings(queue) == {}


def test_a_newer_farms_tables_are_refused(url: str) -> None:
    newer = SCHEMA_VERSION + 1
    with closing(open_queue(url, ManualClock())) as queue:
        assert isinstance(queue, SqlQueue)
        with queue._engine.connect() as connection:
            connection.execution_options(write=True)
            with connection.begin():
                connection.execute(text(f"UPDATE schema_version SET version = {newer}"))
    with pytest.raises(
        Unavailable, match=rf"its tables are version {newer}, this farm's are"
    ) as caught:
        open_queue(url, ManualClock())
    assert caught.value.message.endswith(
        "use the newer farm that made it, or set FARM_DATABASE to another."
    )
