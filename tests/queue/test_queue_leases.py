"""Claiming, working and ending: fenced by the lease, each with its event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from queue_cases import KINDS, Case, job_spec, lose, opened, progress

from farm.errors import StaleLease
from farm.queue import Queue
from farm.spec import JobState, Lease, TaskState
from farm.spec.event import Checkpointed, Done, Failed, Retrying, Started


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


def checkpointed(lease: Lease, blob: str = "b" * 64) -> Checkpointed:
    return Checkpointed(task=lease.task, attempt=lease.attempt, blob=blob, scale=1, iteration=5)


def test_an_empty_queue_has_nothing_to_claim(case: Case) -> None:
    assert case.queue.claim("w1", 30) is None


def test_a_claim_leases_the_task_and_runs_the_job(case: Case) -> None:
    case.add()
    lease = case.claim(ttl=30)
    assert (lease.task, lease.job, lease.attempt, lease.worker) == ("j1/print", "j1", 1, "w1")
    assert (lease.expires_at, lease.spec) == (case.clock.now() + 30, job_spec())
    assert case.state() is JobState.RUNNING
    task = case.task()
    assert (task.state, task.attempt, task.worker) == (TaskState.LEASED, 1, "w1")
    assert task.lease_expires_at == lease.expires_at
    (attempt,) = case.queue.attempts("j1")
    assert (attempt.task, attempt.attempt, attempt.token) == ("j1/print", 1, lease.token)
    assert (attempt.worker, attempt.started, attempt.ended) == ("w1", case.clock.now(), None)
    assert case.kinds() == ["queued"]
    assert case.queue.claim("w2", 30) is None


def test_claims_go_by_priority_then_age_then_id(case: Case) -> None:
    case.add("c", priority=50)
    case.add("b", priority=50)
    case.clock.advance(1)
    case.add("a", priority=50)
    case.add("z", priority=90)
    claimed = [case.claim() for _ in range(4)]
    assert [lease.job for lease in claimed] == ["z", "b", "c", "a"]
    tokens = [lease.token for lease in claimed]
    assert tokens == sorted(set(tokens))


def test_a_heartbeat_renews_the_lease(case: Case) -> None:
    case.add()
    lease = case.claim(ttl=30)
    case.clock.advance(20)
    beat = case.queue.heartbeat(lease, 30)
    assert beat.lease.expires_at == lease.expires_at + 20 == case.task().lease_expires_at
    assert (beat.cancel_requested, beat.pause_requested) == (False, False)
    case.clock.advance(20)
    assert lose(case.queue) == []


def test_recorded_events_are_numbered_and_dated(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.clock.advance(2)
    started = Started(task=lease.task, attempt=1, worker="w1", seq=77, job="other")
    written = case.queue.record(lease, started, progress(lease))
    assert [(event.job, event.seq, event.at) for event in written] == [
        ("j1", 2, case.clock.now()), ("j1", 3, case.clock.now()),
    ]  # fmt: skip
    assert case.queue.events("j1", after=1) == written
    assert case.queue.job("j1").updated_at == case.clock.now()


def test_events_of_the_rules_cannot_be_recorded(case: Case) -> None:
    case.add()
    lease = case.claim()
    for event in (Done(), Failed(cause="x", reason="y"), checkpointed(lease)):
        with pytest.raises(ValueError, match="is written by the rule"):
            case.queue.record(lease, progress(lease), event)
    assert case.kinds() == ["queued"]


def test_a_checkpoint_is_where_the_next_attempt_goes_on(case: Case) -> None:
    case.add()
    lease = case.claim()
    event = case.queue.checkpoint(lease, checkpointed(lease))
    assert event.seq == 2
    case.queue.retry(lease, "preempted", "spot capacity was taken", counts=False)
    again = case.claim("w2")
    assert (again.attempt, again.checkpoint, again.failures) == (2, "b" * 64, 0)
    assert again.token > lease.token


def test_completing_the_only_task_ends_the_job(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.clock.advance(9)
    case.queue.complete(lease, Done(usd=0.5, pool="cpu"))
    assert case.state() is JobState.DONE
    task = case.task()
    assert (task.state, task.worker, task.lease_expires_at) == (TaskState.DONE, None, None)
    assert task.result is not None
    assert task.result["usd"] == 0.5
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Done)
    assert (event.usd, event.pool, event.seq) == (0.5, "cpu", 2)
    (attempt,) = case.queue.attempts("j1")
    assert (attempt.outcome, attempt.ended) == ("done", case.clock.now())


def test_a_job_is_done_when_all_of_its_tasks_are(case: Case) -> None:
    case.add(tasks=("a", "b"))
    first, second = case.claim("w1"), case.claim("w2")
    case.queue.complete(second, Done(usd=2.0))
    assert (case.state(), case.kinds()) == (JobState.RUNNING, ["queued"])
    case.queue.retry(first, "unknown", "odd")
    assert case.state() is JobState.QUEUED
    case.queue.complete(case.claim(), Done(usd=1.0))
    assert case.state() is JobState.DONE
    assert case.kinds() == ["queued", "retrying", "done"]


def test_a_result_that_beats_a_cancel_is_kept(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.queue.cancel("j1", "late")
    case.queue.complete(lease, Done())
    record = case.queue.job("j1")
    assert (record.state, record.cancel_requested, record.reason) == (JobState.DONE, False, "")
    assert case.kinds() == ["queued", "done"]


def test_a_retry_waits_for_its_delay_and_counts(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.queue.retry(lease, "oom", "out of memory", delay=10)
    assert case.state() is JobState.QUEUED
    assert (case.task().state, case.task().failures) == (TaskState.READY, 1)
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Retrying)
    assert (event.task, event.attempt, event.cause) == ("j1/print", 1, "oom")
    assert (event.reason, event.delay) == ("out of memory", 10)
    (attempt,) = case.queue.attempts("j1")
    assert (attempt.outcome, attempt.cause, attempt.reason) == ("retry", "oom", "out of memory")
    case.clock.advance(9.5)
    assert case.queue.claim("w1", 30) is None
    case.clock.advance(0.5)
    assert case.claim().failures == 1


def test_a_retry_of_a_job_to_be_cancelled_cancels_it(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.queue.cancel("j1", "why")
    case.queue.retry(lease, "oom", "out of memory")
    assert case.state() is JobState.CANCELLED
    assert case.kinds() == ["queued", "cancelled"]


def test_a_failure_ends_the_job_and_its_other_tasks(case: Case) -> None:
    case.add(tasks=("a", "b", "c"))
    first, second = case.claim("w1"), case.claim("w2")
    case.queue.fail(first, "input", "the picture cannot be read")
    record = case.queue.job("j1")
    assert (record.state, record.reason) == (JobState.FAILED, "the picture cannot be read")
    assert [task.state.value for task in case.queue.tasks("j1")] == [
        "failed", "cancelled", "cancelled",
    ]  # fmt: skip
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Failed)
    assert (event.cause, event.reason) == ("input", "the picture cannot be read")
    outcomes = [(attempt.outcome, attempt.cause) for attempt in case.queue.attempts("j1")]
    assert outcomes == [("failed", "input"), ("cancelled", "sibling")]
    with pytest.raises(StaleLease):
        case.queue.heartbeat(second, 30)


WRITES: dict[str, Callable[[Queue, Lease], object]] = {
    "heartbeat": lambda queue, lease: queue.heartbeat(lease, 30),
    "record": lambda queue, lease: queue.record(lease, progress(lease)),
    "checkpoint": lambda queue, lease: queue.checkpoint(lease, checkpointed(lease)),
    "complete": lambda queue, lease: queue.complete(lease, Done()),
    "retry": lambda queue, lease: queue.retry(lease, "oom", "x"),
    "fail": lambda queue, lease: queue.fail(lease, "x", "y"),
    "stopped": lambda queue, lease: queue.stopped(lease),
}


def lost(case: Case, lease: Lease) -> None:
    case.clock.advance(31)
    assert len(lose(case.queue)) == 1


def taken_over(case: Case, lease: Lease) -> None:
    lost(case, lease)
    case.claim("w2")


def ended(case: Case, lease: Lease) -> None:
    case.queue.complete(lease, Done())


@pytest.mark.parametrize("loss", [lost, taken_over, ended])
@pytest.mark.parametrize("write", list(WRITES))
def test_a_stale_lease_writes_nothing(
    case: Case, write: str, loss: Callable[[Case, Lease], None]
) -> None:
    case.add()
    lease = case.claim(ttl=30)
    loss(case, lease)
    before = facts(case)
    with pytest.raises(StaleLease, match=r"^lease: token \d+ of 'w1' on task 'j1/print' is stale"):
        WRITES[write](case.queue, lease)
    assert facts(case) == before


def facts(case: Case) -> tuple[object, ...]:
    queue = case.queue
    seen = queue.job("j1"), queue.tasks("j1"), queue.attempts("j1"), queue.events("j1")
    return (*seen, queue.version())


def test_a_lease_on_no_task_is_stale(case: Case) -> None:
    case.add()
    lease = case.claim().model_copy(update={"task": "j1/other"})
    with pytest.raises(StaleLease):
        case.queue.heartbeat(lease, 30)


def test_an_expired_lease_that_nobody_took_still_holds(case: Case) -> None:
    case.add()
    lease = case.claim(ttl=30)
    case.clock.advance(31)
    case.queue.record(lease, progress(lease))
    case.queue.heartbeat(lease, 30)
    assert lose(case.queue) == []


def test_a_write_that_breaks_off_leaves_nothing(case: Case) -> None:
    case.add()
    lease = case.claim()
    before = facts(case)
    broken = progress(lease).model_copy(update={"task": object()})
    with pytest.raises(Exception, match="serialize"):
        case.queue.record(lease, progress(lease), broken)
    assert facts(case) == before
