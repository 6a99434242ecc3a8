"""A farm of workers, lost notifications and late returns: every fact must fit together after it."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from load_cases import Load
from queue_cases import address
from sqlalchemy import text

from farm.queue.bell import Bell


@pytest.fixture(autouse=True)
def _every_third_bell_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    ring, turns = Bell.ring, itertools.count()
    monkeypatch.setattr(Bell, "ring", lambda bell: ring(bell) if next(turns) % 3 else None)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_small_farm_does_everything_once(kind: str, tmp_path: Path) -> None:
    everything_once(address(kind, tmp_path), workers=60, tasks=600)


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_large_farm_does_everything_once(tmp_path: Path) -> None:
    workers, tasks = (int(os.environ.get(f"FARM_LOAD_{n}", d)) for n, d in
                      (("WORKERS", 1200), ("TASKS", 60_000)))  # fmt: skip
    everything_once(address("postgres", tmp_path), workers=workers, tasks=tasks)


def everything_once(url: str, *, workers: int, tasks: int) -> None:
    with closing(Load(url, workers=workers, tasks=tasks)) as load:
        load.fill()
        began = time.perf_counter()
        load.run()
        seconds = time.perf_counter() - began
        assert load.wrong == []
        load.audit()
        assert load.wrong == []
        told = load.told()
        assert told["completed"] == tasks
        assert told["refused"] > 0
        with load.queues[0]._engine.connect() as connection:
            done = "SELECT count(*) FROM attempts WHERE outcome = 'done'"
            assert connection.execute(text(done)).scalar() == tasks
    print(f"{workers} workers, {tasks} tasks: {seconds:.1f} s, {tasks / seconds:.0f}/s, {dict(told)}")  # noqa: T201
