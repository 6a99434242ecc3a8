"""A process killed in the middle of a write leaves all of it or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from queue_cases import database, job_spec, progress, restart

from farm.clock import ManualClock
from farm.queue import SqlQueue, open_queue
from farm.queue.killpoints import reach
from farm.spec.event import Done

CHILD = """
import sys
from queue_cases import progress
from farm.clock import ManualClock
from farm.queue import open_queue
from farm.spec.event import Done
queue = open_queue(sys.argv[1], ManualClock())
lease = queue.claim("w1", 30)
queue.record(lease, progress(lease, 1))
queue.record(lease, progress(lease, 2), progress(lease, 3))
queue.complete(lease, Done())
"""


def killed_at(place: str, folder: Path) -> SqlQueue:
    """The queue as found after a worker was killed at ``place``."""
    queue = open_queue(database(folder), ManualClock())
    queue.add("j1", job_spec())
    environment = {**os.environ, "FARM_KILL_AT": place, "PYTHONPATH": str(Path(__file__).parent)}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, database(folder)], env=environment, timeout=60, check=False
    )
    assert child.returncode == -signal.SIGKILL
    queue.close()
    return open_queue(database(folder), ManualClock())


@pytest.mark.parametrize(
    ("place", "state", "attempts", "events"),
    [
        ("claim.before_commit", "queued", 0, 1),
        ("claim.after_commit", "running", 1, 1),
        ("record.before_commit:2", "running", 1, 2),
        ("record.after_commit:2", "running", 1, 4),
        ("complete.before_commit", "running", 1, 4),
        ("complete.after_commit", "done", 1, 5),
    ],
)
def test_a_kill_leaves_all_or_nothing(
    tmp_path: Path, place: str, state: str, attempts: int, events: int
) -> None:
    queue = killed_at(place, tmp_path)
    job, (task,) = queue.job("j1"), queue.tasks("j1")
    assert (job.state.value, job.seq) == (state, events)
    assert [event.seq for event in queue.events("j1")] == list(range(1, events + 1))
    assert task.attempt == len(queue.attempts("j1")) == attempts
    assert task.state.value == {"queued": "ready", "running": "leased", "done": "done"}[state]
    if state != "done":
        restart(queue, "w1")
        lease = queue.claim("w2", 30)
        assert lease is not None
        assert lease.attempt == attempts + 1
        queue.record(lease, progress(lease))
        queue.complete(lease, Done())
        assert queue.job("j1").state.value == "done"
    queue.close()


def test_nothing_is_killed_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FARM_KILL_AT", raising=False)
    reach("complete.before_commit")
    monkeypatch.setenv("FARM_KILL_AT", "complete.after_commit")
    reach("complete.before_commit")
