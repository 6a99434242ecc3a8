"""The queue's speed on SQLite and PostgreSQL, beside how fast the same database commits at all."""

from __future__ import annotations

import multiprocessing
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

from farm.cli.figures import Figure
from farm.clock import SystemClock
from farm.queue import Queue, open_queue
from farm.spec import Job, Lease, parse_job
from farm.spec.event import Progress

LEASE_SECONDS = 600.0
PROJECTS = 4
TASKS_PER_JOB = 100
PROCESSES = 4

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Sizes:
    """How much is measured: tasks queued, claims of one worker, and tasks of one request."""

    queued: int = 100_000
    count: int = 1000
    request: int = 10_000


QUICK = Sizes(queued=4000, count=200, request=1000)


def figures(*, quick: bool, postgres: str | None = None) -> list[Figure]:
    """Submissions, claims and records per second, on SQLite and on the PostgreSQL of a URL."""
    sizes = QUICK if quick else Sizes()
    with TemporaryDirectory(prefix="farm-bench-") as folder:
        bare = _sqlite_commits(Path(folder), sizes.count)
        found = _measured(f"sqlite:///{folder}/farm.db", sizes, bare)
    if postgres is not None:
        with _schema(postgres) as url:
            bare = _postgres_commits(url, sizes.count)
            there = _measured(url, sizes, bare)
        found += [figure.model_copy(update={"name": f"PostgreSQL: {figure.name}"}) for figure in there]
    return found


def _measured(url: str, sizes: Sizes, bare: float) -> list[Figure]:
    with closing(open_queue(url, SystemClock())) as queue:
        names = [f"single-{number}" for number in range(sizes.count)]
        submitted, _ = _timed(lambda name: queue.add(name, _job("p0")), names)
        tasks = [f"t{number}" for number in range(sizes.request)]
        request, _ = _timed(lambda name: queue.add(name, _job("p1"), tasks=tasks), ["request"])
        _fill(queue, sizes.queued - sizes.count - sizes.request)
        queued = queue.ready_count()
        claimed, leases = _timed(lambda worker: _claim(queue, worker), ["bench"] * sizes.count)
        recorded, _ = _timed(lambda lease: queue.record(lease, _progress(lease)), leases)
    together = _claims_together(url, sizes.count)
    return [
        Figure(name="bare commits", value=bare, unit="1/s", note="one row each, same database, synced"),
        _rate("submissions", submitted, bare),
        Figure(name="one request", value=request[0], unit="s", note=f"{sizes.request} tasks, one job"),
        _rate("claims", claimed, bare, f"one worker, {queued} tasks queued"),
        Figure(name="claim, median", value=_percentile(claimed, 50) * 1e3, unit="ms"),
        Figure(name="claim, p99", value=_percentile(claimed, 99) * 1e3, unit="ms",
               ratios={"of_the_median": _percentile(claimed, 99) / _percentile(claimed, 50)}),
        Figure(name="claims together", value=together, unit="1/s",
               ratios={"of_bare_commits": together / bare}, note=f"{PROCESSES} processes"),
        _rate("recorded events", recorded, bare),
    ]  # fmt: skip


def _fill(queue: Queue, tasks: int) -> None:
    names = [f"t{number}" for number in range(TASKS_PER_JOB)]
    specs = [_job(f"p{number}") for number in range(PROJECTS)]
    orders = [
        (f"job-{number}", specs[number % PROJECTS], names) for number in range(tasks // TASKS_PER_JOB)
    ]
    queue.add_many(orders)


def _claims_together(url: str, count: int) -> float:
    """Claims per second of several processes, from the first one's begin to the last one's end."""
    context = multiprocessing.get_context("spawn")
    share = count // PROCESSES
    with context.Manager() as manager:
        start = manager.Barrier(PROCESSES)
        with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
            works = [pool.submit(_claim_share, url, share, start) for _ in range(PROCESSES)]
            times = [work.result() for work in works]
    return share * PROCESSES / (max(end for _, end in times) - min(begin for begin, _ in times))


def _claim_share(url: str, share: int, start: Any) -> tuple[float, float]:
    with closing(open_queue(url, SystemClock())) as queue:
        start.wait()
        began = time.time()
        for _ in range(share):
            _claim(queue, "together")
        return began, time.time()


def _sqlite_commits(folder: Path, count: int) -> float:
    """Commits of one row per second with the queue's own settings of SQLite, and nothing else."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (n INTEGER PRIMARY KEY)")
        return _commits(lambda n: connection.execute("INSERT INTO rows VALUES (?)", (n,)), count)


def _postgres_commits(url: str, count: int) -> float:
    """The same in PostgreSQL, from one connection."""
    import psycopg

    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE bare (n INTEGER PRIMARY KEY)")
        return _commits(lambda n: connection.execute("INSERT INTO bare VALUES (%s)", (n,)), count)


def _commits(commit: Callable[[int], object], count: int) -> float:
    seconds, _ = _timed(commit, range(count))
    return count / sum(seconds)


@contextmanager
def _schema(url: str) -> Iterator[str]:
    """The URL of a schema of the benchmark's own in a PostgreSQL database, dropped in the end."""
    import psycopg

    name = f"farm_bench_{uuid4().hex[:8]}"
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        try:
            yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


def _timed(work: Callable[[T], R], over: Iterable[T]) -> tuple[list[float], list[R]]:
    """Seconds and result of ``work`` for each of ``over``."""
    seconds, results = [], []
    for one in over:
        began = perf_counter()
        results.append(work(one))
        seconds.append(perf_counter() - began)
    return seconds, results


def _claim(queue: Queue, worker: str) -> Lease:
    lease = queue.claim(worker, LEASE_SECONDS)
    assert lease is not None, "more tasks are queued than are claimed"
    return lease


def _rate(name: str, seconds: list[float], bare: float, note: str = "") -> Figure:
    rate = len(seconds) / sum(seconds)
    return Figure(name=name, value=rate, unit="1/s", ratios={"of_bare_commits": rate / bare}, note=note)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _job(project: str) -> Job:
    return parse_job(
        {"farm": 1, "kind": "print", "content": "content.png", "styles": [{"image": "style.png"}],
         "output": {"long_edge": 1024}, "project": project}
    )  # fmt: skip


def _progress(lease: Lease) -> Progress:
    return Progress(
        task=lease.task, attempt=lease.attempt, scale=1, scales=1, width=256, height=256,
        iteration=1, iterations=100, loss=0.5, share=0.01,
    )  # fmt: skip
