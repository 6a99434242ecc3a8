"""Leases that nobody renews are taken back, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_cases import KINDS, Case, opened

from farm.spec import JobState, TaskState
from farm.spec.event import Retrying


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


def test_an_expired_lease_is_taken_back_free_of_charge(case: Case) -> None:
    case.add()
    case.claim(ttl=30)
    case.clock.advance(29.9)
    assert case.queue.reap() == []
    case.clock.advance(0.1)
    (task,) = case.queue.reap()
    assert task == case.task()
    assert (task.state, task.failures, task.worker) == (TaskState.READY, 0, None)
    assert case.state() is JobState.QUEUED
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Retrying)
    assert (event.cause, event.attempt) == ("lost", 1)
    (attempt,) = case.queue.attempts("j1")
    assert (attempt.outcome, attempt.cause, attempt.ended) == ("lost", "lost", case.clock.now())
    assert case.queue.reap() == []
    assert case.claim("w2").attempt == 2


def test_only_what_expired_is_taken_back(case: Case) -> None:
    case.add("a")
    case.add("b")
    case.claim(ttl=10)
    case.claim(ttl=60)
    case.clock.advance(20)
    assert [task.id for task in case.queue.reap()] == ["a/print"]
    assert case.state("b") is JobState.RUNNING


def test_a_lost_job_that_was_to_be_cancelled_is(case: Case) -> None:
    case.add(tasks=("a", "b"))
    case.claim(ttl=10)
    case.queue.cancel("j1", "why")
    case.clock.advance(10)
    (task,) = case.queue.reap()
    assert task.state is TaskState.CANCELLED
    assert case.state() is JobState.CANCELLED
    assert {task.state for task in case.queue.tasks("j1")} == {TaskState.CANCELLED}
    assert case.kinds() == ["queued", "cancelled"]


def test_a_lost_job_that_was_to_be_paused_is(case: Case) -> None:
    case.add()
    case.claim(ttl=10)
    case.queue.pause("j1")
    case.clock.advance(10)
    case.queue.reap()
    assert case.state() is JobState.PAUSED
    assert case.task().state is TaskState.READY
    assert case.kinds() == ["queued", "retrying", "paused"]


def test_both_tasks_of_a_job_may_be_lost_at_once(case: Case) -> None:
    case.add(tasks=("a", "b"))
    case.claim("w1")
    case.claim("w2")
    case.clock.advance(30)
    assert len(case.queue.reap()) == 2
    assert case.state() is JobState.QUEUED
    assert case.kinds() == ["queued", "retrying", "retrying"]


def test_a_restarted_dispatcher_takes_back_what_its_workers_held(case: Case) -> None:
    for name in ("a", "b", "c"):
        case.add(name)
    for worker in ("host1/w1", "host1/w2", "HOST1/w3"):
        case.claim(worker)
    assert case.queue.release_worker("host1/") == 2
    assert [case.state(name).value for name in "abc"] == ["queued", "queued", "running"]
    event = case.queue.events("a")[-1]
    assert isinstance(event, Retrying)
    assert event.cause == "restart"
    assert case.task("a").failures == 0
    assert case.queue.release_worker("host1/") == 0
