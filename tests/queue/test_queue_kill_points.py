"""A process killed before or after any commit leaves a queue whose facts fit together, and goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from audit import findings
from queue_cases import address, job_spec, lose, offer, progress, restart, routed, within_cap

from farm.clock import ManualClock
from farm.queue import SqlQueue, open_queue
from farm.spec import JobState, Lease, TaskSpec
from farm.spec.event import Checkpointed, Done, Started

TASKS = (TaskSpec(name="a"), TaskSpec(name="b"), TaskSpec(name="c", after=("a",)))


def live(queue: SqlQueue, clock: ManualClock) -> None:
    """Pass every kill point."""
    queue.set_cap("default", 100.0)
    queue.add("j2", job_spec(after=["j1"]), offer=offer(1.0))
    lease = claimed(queue)
    queue.heartbeat(lease, 30)
    started = Started(task=lease.task, attempt=1, worker="w", node="n")
    queue.record(lease, routed(lease), started, progress(lease))
    clock.advance(5)
    mark = Checkpointed(task=lease.task, attempt=1, blob="c" * 64, scale=1, iteration=1)
    queue.checkpoint(lease, mark)
    queue.hold(lease, 2.0, lambda account, more: True)
    queue.retry(lease, "out_of_memory", "no room")
    queue.retry(claimed(queue), "lost", "its process is gone", counts=False, lost=True)
    claimed(queue)
    clock.advance(60)
    lose(queue)
    queue.complete(claimed(queue), Done())
    queue.quarantine(claimed(queue), "unknown", "odd")
    queue.retry_job("j1")
    queue.park(claimed(queue), "spent", 1.0)
    queue.unpark(within_cap)
    claimed(queue)
    queue.cancel("j1", at_once=True)


def claimed(queue: SqlQueue) -> Lease:
    lease = queue.claim("w1", 30)
    assert lease is not None
    return lease


PLACES = (
    "set_cap", "add", "claim", "heartbeat", "record", "checkpoint", "retry", "complete", "quarantine",
    "retry_job", "hold", "park", "unpark", "cancel",
)  # fmt: skip


def killed_at(place: str, work: Callable[[], None]) -> None:
    """Do ``work`` in a child that is killed at ``place``."""
    child = os.fork()
    if child == 0:
        try:
            os.environ["FARM_KILL_AT"] = place
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = address(request.param, tmp_path)
    with closing(open_queue(url, ManualClock())) as queue:
        queue.add("j1", job_spec(), tasks=TASKS)
    return url


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("place", PLACES)
def test_a_kill_leaves_facts_that_fit_together(url: str, place: str, moment: str) -> None:
    def work() -> None:
        clock = ManualClock()
        live(open_queue(url, clock), clock)

    killed_at(f"{place}.{moment}", work)
    with closing(open_queue(url, ManualClock())) as queue:
        assert findings(queue) == {}
        restart(queue, "w")
        for job in queue.jobs():
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                queue.retry_job(job.id)
        queue.unpark(within_cap)
        while (lease := queue.claim("w2", 30)) is not None:
            queue.complete(lease, Done())
        assert {job.state for job in queue.jobs()} == {JobState.DONE}
        assert findings(queue) == {}
