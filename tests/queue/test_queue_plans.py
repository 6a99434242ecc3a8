"""What is asked all the time is answered from an index, however many tasks are queued."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from audit import findings
from postgres_cases import schema
from queue_cases import database, job_spec, offer, progress, routed
from sqlalchemy import Engine, event, text

from farm.clock import ManualClock
from farm.queue import SqlQueue, open_queue
from farm.queue.facts import canonical
from farm.spec import JobState, Lease
from farm.spec.event import Checkpointed, Done

JOBS, TASKS = 1000, 100
LARGE = "jobs|tasks|attempts|events|job_labels|job_needs|task_needs|job_costs|runs|spending|waits"

SMALL = r"\b(attempts|task_needs|job_labels|projects|job_costs|runs|spending|waits)\b"
"""Tables with few rows here, which PostgreSQL rightly reads whole; what would serve more is asked."""

NUMBERS = {
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < {last}) "
    "SELECT n FROM c)",
    "postgresql": "(SELECT n FROM generate_series(0, {last}) AS g(n))",
}
FILL = (
    "INSERT INTO jobs (id, spec, state, project, priority, created_at, updated_at, seq, "
    "cancel_requested, pause_requested, reason, unmet, waiting, ready, leased, done, failed, "
    "cancelled, quarantined, delayed, rank, claimable) "
    "SELECT 'job-' || n, :spec, 'queued', 'p' || (n % 4), n % 100, n, n, 0, false, false, '', 0, 0, "
    "100, 0, 0, 0, 0, 0, 0, 100 - (n % 100), 100 FROM {jobs} numbers",
    "INSERT INTO tasks (id, job, position, state, after, unmet, attempt, failures, losses, "
    "not_before, delayed) SELECT 'job-' || (n / 100) || '/t' || (n % 100), 'job-' || (n / 100), "
    "n % 100, 'ready', '', 0, 0, 0, 0, 0, false FROM {tasks} numbers",
    "INSERT INTO projects (name, weight, running, ready, period, reserved) "
    "SELECT 'p' || n, 1.0, 0, 25000, 'month', 0 "
    "FROM {projects} numbers",
    "INSERT INTO job_labels (job, name, value, created_at) SELECT 'job-' || n, 'shot', "
    "'sq' || (n % 50), n FROM {jobs} numbers",
    "INSERT INTO events (job, seq, at, kind, body) SELECT 'job-' || (n % 1000), 1 + n / 1000, 0, "
    "'queued', '{{\"kind\": \"queued\"}}' FROM {tasks} numbers",
    "UPDATE jobs SET seq = 100",
    "ANALYZE",
)
"""100 000 tasks of 1 000 jobs in 4 projects, and as many events."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def queue(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[SqlQueue]:
    folder = tmp_path_factory.mktemp("plans")
    with ExitStack() as stack:
        own = request.param == "sqlite"
        url = database(folder) if own else stack.enter_context(schema())
        queue = stack.enter_context(closing(open_queue(url, ManualClock())))
        numbers = NUMBERS[queue._engine.dialect.name]
        sizes = {"jobs": JOBS - 1, "tasks": JOBS * TASKS - 1, "projects": 3}
        of = {name: numbers.format(last=last) for name, last in sizes.items()}
        with queue._engine.connect() as connection:
            connection.execution_options(write=True)
            with connection.begin():
                for statement in FILL:
                    values = {"spec": canonical(job_spec())} if ":spec" in statement else {}
                    connection.execute(text(statement.format(**of)), values)
        yield queue


def work(queue: SqlQueue) -> None:
    """Everything that goes on all the time, once."""
    clock = queue._clock
    assert isinstance(clock, ManualClock)
    leases = [queue.claim(f"w{index}", 30) for index in range(6)]
    held = [lease for lease in leases if lease is not None]
    assert len(held) == 6
    queue.record(held[0], routed(held[0]), progress(held[0]))
    queue.record(held[2], routed(held[2]))
    queue.heartbeat(held[0], 30)
    mark = Checkpointed(task=held[1].task, attempt=1, blob="c" * 64, scale=1, iteration=1)
    queue.checkpoint(held[1], mark)
    queue.complete(held[2], Done())
    queue.retry(held[3], "unknown", "odd", delay=5)
    queue.add("priced", job_spec(), offer=offer(1.0))
    clock.advance(6)
    assert queue.claim("w", 600) is not None
    clock.advance(60)
    assert len(queue.expired()) == 4
    queue.retry(queue.expired()[0], "lost", "gone", counts=False, lost=True)
    queue.pause(held[4].job)
    look(queue, held[5])


def look(queue: SqlQueue, lease: Lease) -> None:
    """What readers ask."""
    queue.job(lease.job)
    queue.tasks(lease.job)
    queue.events(lease.job, after=50, limit=10)
    queue.version()
    queue.ready_count()
    before = "job-500"
    queue.account(queue.cost(lease.job).project)
    queue.paces("spot", "farm-texture")
    queue.waits(900.0, limit=20)
    queue.jobs(limit=20, before=before)
    queue.jobs(limit=20, before=before, project="p1")
    queue.jobs(limit=20, before=before, state=JobState.QUEUED)
    queue.jobs(limit=20, before=before, label=("shot", "sq7"))


def statements(engine: Engine, during: Callable[[], None]) -> dict[str, Any]:
    """What was asked meanwhile, each once, with the values of one time."""
    asked: dict[str, Any] = {}

    def note(_c: object, _k: object, statement: str, values: Any, _x: object, _m: bool) -> None:
        # Writes that went together are looked at one by one.
        for one in re.split(r"; (?=UPDATE |INSERT |DELETE )", statement):
            if re.match(r"(SELECT|UPDATE|DELETE)", one) and "advisory" not in one:
                asked[re.sub(r"'[^']*'|\d+", "?", one)] = (one, values)

    event.listen(engine, "before_cursor_execute", note)
    try:
        during()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return asked


def plan(engine: Engine, statement: str, values: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        if not values:
            connection = connection.execution_options(no_parameters=True)
        if engine.dialect.name == "postgresql" and re.search(SMALL, statement):
            for way in ("seqscan", "sort", "bitmapscan"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        rows = connection.exec_driver_sql(f"{explain} {statement}", values or None)
        return "\n".join(str(row[-1]) for row in rows)


def test_hot_statements_are_served_by_indexes(queue: SqlQueue) -> None:
    asked = statements(queue._engine, lambda: work(queue))
    assert len(asked) > 20
    slow = {}
    for statement, values in asked.values():
        found = plan(queue._engine, statement, values)
        scans = re.search(rf"Seq Scan on ({LARGE})\b|SCAN ({LARGE})(?! USING)\b(?!.*INDEX)", found)
        if scans or re.search(r"\bSort\b|TEMP B-TREE", found):
            slow[statement] = found
    assert not slow, "\n\n".join(f"{statement}\n{found}" for statement, found in slow.items())
    assert findings(queue) == {}


def test_a_plan_that_scans_would_be_found(queue: SqlQueue, tmp_path: Path) -> None:
    """The test above can fail."""
    scanning = "SELECT id FROM tasks WHERE worker = 'nobody' ORDER BY not_before"
    found = plan(queue._engine, scanning, None)
    assert re.search(r"Seq Scan on tasks|SCAN tasks", found)
    assert re.search(r"\bSort\b|TEMP B-TREE", found)
