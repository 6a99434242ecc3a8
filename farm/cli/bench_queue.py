"""The queue's speed on SQLite, beside how fast this disk commits at all."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

from farm.cli.figures import Figure
from farm.clock import SystemClock
from farm.queue import Queue, open_queue
from farm.spec import Job, Lease, parse_job
from farm.spec.event import Progress

JOBS, JOBS_QUICK = 1000, 200
LEASE_SECONDS = 600.0

T = TypeVar("T")
R = TypeVar("R")


def figures(*, quick: bool) -> list[Figure]:
    """Submissions, claims and records per second, one after the other from one worker."""
    count = JOBS_QUICK if quick else JOBS
    with TemporaryDirectory(prefix="farm-bench-") as folder:
        bare = _bare_commits(Path(folder), count)
        with closing(open_queue(f"sqlite:///{folder}/farm.db", SystemClock())) as queue:
            return _measured(queue, count, bare)


def _measured(queue: Queue, count: int, bare: float) -> list[Figure]:
    spec = _job()
    submitted, _ = _timed(lambda name: queue.add(name, spec), [f"job-{n}" for n in range(count)])
    claimed, leases = _timed(lambda worker: _claim(queue, worker), ["bench"] * count)
    recorded, _ = _timed(lambda lease: queue.record(lease, _progress(lease)), leases)
    return [
        Figure(name="bare commits", value=bare, unit="1/s", note="one row each, same folder, synced"),
        _rate("submissions", submitted, bare),
        _rate("claims", claimed, bare),
        _rate("recorded events", recorded, bare),
        Figure(name="claim, median", value=_percentile(claimed, 50) * 1e3, unit="ms",
               note=f"with up to {count} queued"),
        Figure(name="claim, p99", value=_percentile(claimed, 99) * 1e3, unit="ms",
               ratios={"of_the_median": _percentile(claimed, 99) / _percentile(claimed, 50)}),
    ]  # fmt: skip


def _bare_commits(folder: Path, count: int) -> float:
    """Commits of one row per second with the queue's own settings of SQLite, and nothing else."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (n INTEGER PRIMARY KEY)")
        seconds, _ = _timed(
            lambda n: connection.execute("INSERT INTO rows VALUES (?)", (n,)), range(count)
        )
    return count / sum(seconds)


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
    assert lease is not None, "as many jobs are queued as are claimed"
    return lease


def _rate(name: str, seconds: list[float], bare: float) -> Figure:
    rate = len(seconds) / sum(seconds)
    return Figure(name=name, value=rate, unit="1/s", ratios={"of_bare_commits": rate / bare})


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _job() -> Job:
    return parse_job(
        {"farm": 1, "kind": "print", "content": "content.png", "styles": [{"image": "style.png"}],
         "output": {"long_edge": 1024}}
    )  # fmt: skip


def _progress(lease: Lease) -> Progress:
    return Progress(
        task=lease.task, attempt=lease.attempt, scale=1, scales=1, width=256, height=256,
        iteration=1, iterations=100, loss=0.5, share=0.01,
    )  # fmt: skip
