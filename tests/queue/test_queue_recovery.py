"""Leases that nobody renews are taken back, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_cases import KINDS, Case, lose, opened, restart

from farm.errors import StaleLease
from farm.spec import JobState, TaskState
from farm.spec.event import Artefact, Done, Failed, Quarantined, Retrying


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


def test_an_expired_lease_is_taken_back_free_of_charge(case: Case) -> None:
    case.add()
    case.claim(ttl=30)
    case.clock.advance(29.9)
    assert lose(case.queue) == []
    case.clock.advance(0.1)
    (task,) = lose(case.queue)
    assert task == case.task()
    assert (task.state, task.failures, task.worker) == (TaskState.READY, 0, None)
    assert case.state() is JobState.QUEUED
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Retrying)
    assert (event.cause, event.attempt) == ("lost", 1)
    (attempt,) = case.queue.attempts("j1")
    assert (attempt.outcome, attempt.cause, attempt.ended) == ("lost", "lost", case.clock.now())
    assert lose(case.queue) == []
    assert case.claim("w2").attempt == 2


def test_only_what_expired_is_taken_back(case: Case) -> None:
    case.add("a")
    case.add("b")
    case.claim(ttl=10)
    case.claim(ttl=60)
    case.clock.advance(20)
    assert [task.id for task in lose(case.queue)] == ["a/print"]
    assert case.state("b") is JobState.RUNNING


def test_a_lost_job_that_was_to_be_cancelled_is(case: Case) -> None:
    case.add(tasks=("a", "b"))
    case.claim(ttl=10)
    case.queue.cancel("j1", "why")
    case.clock.advance(10)
    (task,) = lose(case.queue)
    assert task.state is TaskState.CANCELLED
    assert case.state() is JobState.CANCELLED
    assert {task.state for task in case.queue.tasks("j1")} == {TaskState.CANCELLED}
    assert case.kinds() == ["queued", "cancelled"]


def test_a_lost_job_that_was_to_be_paused_is(case: Case) -> None:
    case.add()
    case.claim(ttl=10)
    case.queue.pause("j1")
    case.clock.advance(10)
    lose(case.queue)
    assert case.state() is JobState.PAUSED
    assert case.task().state is TaskState.READY
    assert case.kinds() == ["queued", "retrying", "paused"]


def test_both_tasks_of_a_job_may_be_lost_at_once(case: Case) -> None:
    case.add(tasks=("a", "b"))
    case.claim("w1")
    case.claim("w2")
    case.clock.advance(30)
    assert len(lose(case.queue)) == 2
    assert case.state() is JobState.QUEUED
    assert case.kinds() == ["queued", "retrying", "retrying"]


def test_a_restarted_dispatcher_takes_back_what_its_workers_held(case: Case) -> None:
    for name in ("a", "b", "c"):
        case.add(name)
    for worker in ("host1/w1", "host1/w2", "HOST1/w3"):
        case.claim(worker)
    assert restart(case.queue, "host1/") == 2
    assert [case.state(name).value for name in "abc"] == ["queued", "queued", "running"]
    event = case.queue.events("a")[-1]
    assert isinstance(event, Retrying)
    assert event.cause == "restart"
    assert case.task("a").failures == 0
    assert restart(case.queue, "host1/") == 0


def test_expired_leases_are_looked_at_and_then_taken_back(case: Case) -> None:
    for name in ("a", "b", "c"):
        case.add(name)
    first, second = case.claim(ttl=10), case.claim(ttl=20)
    case.claim(ttl=90)
    assert case.queue.expired() == []
    case.clock.advance(30)
    assert case.queue.expired() == [first, second]
    renewed = case.queue.heartbeat(first, 30).lease
    assert case.queue.expired() == [second]
    assert [task.id for task in lose(case.queue)] == ["b/print"]
    assert case.claim().task == "b/print"
    case.clock.advance(29)
    assert case.queue.expired() == []
    case.clock.advance(1)
    assert renewed in case.queue.expired()


def test_leases_are_held_by_workers_of_a_prefix(case: Case) -> None:
    case.add(tasks=("a", "b", "c"))
    one, two = case.claim("host_1/a", ttl=20), case.claim("host_1/b", ttl=10)
    other = case.claim("hostx1/c", ttl=30)
    assert case.queue.held("host_1/") == [two, one]
    assert case.queue.held() == [two, one, other]


def test_a_dead_workers_task_is_given_back_before_its_time(case: Case) -> None:
    case.add()
    lease = case.claim()
    gone = "its process is gone"
    case.queue.retry(lease, "lost", gone, counts=False, lost=True)
    task = case.task()
    assert (task.state, task.losses, task.failures) == (TaskState.READY, 1, 0)
    with pytest.raises(StaleLease):
        case.queue.retry(lease, "lost", gone, counts=False, lost=True)
    (attempt,) = case.queue.attempts("j1")
    assert (attempt.outcome, attempt.cause, attempt.reason) == ("lost", "lost", gone)
    again = case.claim()
    assert (again.losses, again.task_name) == (1, "print")
    case.queue.retry(again, "preempted", "spot capacity was taken", counts=False)
    assert case.task().losses == 1


def test_the_third_lost_worker_quarantines_its_task(case: Case) -> None:
    case.add(tasks=("bad", "good"))
    case.queue.complete(case.claim(), Done())
    for reason in ("the connection broke", "its process is gone"):
        case.queue.retry(case.claim(ttl=10), "lost", reason, counts=False, lost=True)
    case.claim(ttl=10)
    case.clock.advance(10)
    (task,) = lose(case.queue)
    assert (task.state, task.losses) == (TaskState.QUARANTINED, 3)
    record = case.queue.job("j1")
    assert (record.state, record.tasks) == (JobState.FAILED, {"done": 1, "quarantined": 1})
    quarantined, failed = case.queue.events("j1")[-2:]
    assert isinstance(quarantined, Quarantined)
    assert (quarantined.task, quarantined.attempt, quarantined.cause) == (task.id, 3, "lost")
    assert isinstance(failed, Failed)
    assert failed.cause == "quarantined"
    assert failed.reason == quarantined.reason == record.reason
    assert [attempt.outcome for attempt in case.queue.attempts("j1")] == [
        "done", "lost", "lost", "quarantined",
    ]  # fmt: skip
    case.queue.retry_job("j1")
    assert case.claim().losses == 0


def test_a_quarantine_keeps_its_evidence(case: Case) -> None:
    case.add(tasks=("a", "b"))
    lease, other = case.claim(), case.claim()
    log = Artefact(name="log.txt", blob="a" * 64, media_type="text/plain", bytes=9)
    case.queue.quarantine(lease, "unknown", "it fails every time", (log,))
    assert case.kinds() == ["queued", "quarantined", "failed"]
    event = case.queue.events("j1")[1]
    assert isinstance(event, Quarantined)
    assert event.evidence == (log,)
    assert [task.state.value for task in case.queue.tasks("j1")] == ["quarantined", "cancelled"]
    for stale in (lease, other):
        with pytest.raises(StaleLease):
            case.queue.quarantine(stale, "unknown", "again")


def test_restarts_and_preemptions_are_no_losses(case: Case) -> None:
    case.add()
    for _ in range(4):
        case.claim("host/a")
        restart(case.queue, "host/")
        case.queue.retry(case.claim(), "preempted", "spot capacity was taken", counts=False)
    assert (case.task().losses, case.task().failures) == (0, 0)


def test_cancelling_at_once_waits_for_nobody(case: Case) -> None:
    case.add(tasks=("a", "b", "c"))
    lease, _ = case.claim(), case.claim()
    case.queue.cancel("j1", "first")
    record = case.queue.cancel("j1", at_once=True)
    assert (record.state, record.reason, record.cancel_requested) == (
        JobState.CANCELLED, "first", False,
    )  # fmt: skip
    assert record.tasks == {"cancelled": 3}
    with pytest.raises(StaleLease):
        case.queue.complete(lease, Done())
    assert case.kinds() == ["queued", "cancelled"]
    assert case.queue.held() == []
    assert [attempt.outcome for attempt in case.queue.attempts("j1")] == ["cancelled"] * 2
