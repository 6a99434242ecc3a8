"""What people ask of a job, in every state it can be in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queue_cases import KINDS, Case, job_spec, opened

from farm.errors import Conflict, IllegalTransition, InvalidInput, NotFound
from farm.spec import JobState, TaskState
from farm.spec.event import Artefact, CancelledEvent, Checkpointed, Done, Queued, Rendition

PREVIEW = Rendition(
    fidelity="preview", width=8, height=8,
    picture=Artefact(name="p.jpg", blob="0" * 64, media_type="image/jpeg", bytes=3),
)  # fmt: skip


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


def test_a_new_job_waits_with_its_tasks_and_its_event(case: Case) -> None:
    record, new = case.queue.add("j1", job_spec(priority=70, project="p"), tasks=("a", "b"))
    assert new
    assert record == case.queue.job("j1")
    assert (record.state, record.priority, record.project) == (JobState.QUEUED, 70, "p")
    assert (record.created_at, record.seq) == (case.clock.now(), 1)
    assert record.spec == job_spec(priority=70, project="p")
    assert [(t.id, t.state) for t in case.queue.tasks("j1")] == [
        ("j1/a", TaskState.READY), ("j1/b", TaskState.READY),
    ]  # fmt: skip
    (event,) = case.queue.events("j1")
    assert event == Queued(job="j1", seq=1, at=case.clock.now())


def test_adding_the_same_again_is_the_same_job(case: Case) -> None:
    first, _ = case.queue.add("j1", job_spec(labels={"a": "1", "b": "2"}))
    case.clock.advance(5)
    again, new = case.queue.add("j1", job_spec(labels={"b": "2", "a": "1"}))
    assert not new
    assert again == first
    assert case.kinds() == ["queued"]


def test_the_same_id_for_another_spec_is_a_conflict(case: Case) -> None:
    case.add(priority=1)
    with pytest.raises(Conflict, match=r"^job: 'j1' was used before"):
        case.queue.add("j1", job_spec(priority=2))
    assert case.queue.job("j1").priority == 1


@pytest.mark.parametrize("job_id", ["", "a/b", "a:b", "-a", "a\n", "x" * 65])
def test_an_id_that_is_none_is_invalid(case: Case, job_id: str) -> None:
    with pytest.raises(InvalidInput, match=r"^id: .* is not valid"):
        case.queue.add(job_id, job_spec())


@pytest.mark.parametrize("tasks", [(), ("a", "a"), ("a/b",)])
def test_tasks_that_are_none_are_invalid(case: Case, tasks: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"^tasks: .* is not valid"):
        case.queue.add("j1", job_spec(), tasks=tasks)
    assert case.queue.jobs() == []


def test_an_unknown_job_is_not_found_everywhere(case: Case) -> None:
    queue = case.queue
    asked: list[Any] = [
        queue.job, queue.tasks, queue.attempts, queue.events, queue.cancel, queue.pause,
        queue.resume, queue.retry_job, lambda job: queue.append(job, PREVIEW),
        lambda job: queue.jobs(before=job),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(NotFound, match=r"^job: no 'nobody'"):
            ask("nobody")


def test_jobs_are_listed_newest_first_in_pages(case: Case) -> None:
    for name in ("a", "b", "c", "d"):
        case.add(name, project="odd" if name in "ac" else "even")
        if name != "b":
            case.clock.advance(1)
    assert [job.id for job in case.queue.jobs()] == ["d", "c", "b", "a"]
    assert [job.id for job in case.queue.jobs(limit=2)] == ["d", "c"]
    assert [job.id for job in case.queue.jobs(limit=2, before="c")] == ["b", "a"]
    assert [job.id for job in case.queue.jobs(project="odd", before="c")] == ["a"]
    case.queue.cancel("b")
    assert [job.id for job in case.queue.jobs(state=JobState.CANCELLED)] == ["b"]


def test_jobs_are_found_by_their_labels(case: Case) -> None:
    long = "x" * 5000
    for name, shot in (("a", "010"), ("b", "020"), ("c", "010"), ("d", "020")):
        case.add(name, labels={"shot": shot, long: long}, project="p" if name < "c" else "q")
        case.clock.advance(1)
    found = case.queue.jobs
    assert [job.id for job in found(label=("shot", "010"))] == ["c", "a"]
    assert [job.id for job in found(label=("shot", "020"), project="p")] == ["b"]
    assert [job.id for job in found(label=("shot", "030"))] == []
    assert [job.id for job in found(label=(long, long), limit=2, before="d")] == ["c", "b"]
    assert [job.id for job in found(label=(long, "x" * 4999))] == []


def test_jobs_are_found_by_the_beginning_of_their_id(case: Case) -> None:
    for name in ("sq010_sh1", "sq010_sh2", "SQ010_sh3", "sq0100"):
        case.add(name)
    found = {
        start: [job.id for job in case.queue.jobs(beginning=start)]
        for start in ("sq010_", "sq0100", "SQ", "_", "sq010_sh10")
    }
    assert found == {
        "sq010_": ["sq010_sh2", "sq010_sh1"], "sq0100": ["sq0100"], "SQ": ["SQ010_sh3"], "_": [],
        "sq010_sh10": [],
    }  # fmt: skip


def test_a_page_may_begin_amid_jobs_of_one_instant(case: Case) -> None:
    case.queue.add_many([(name, job_spec(), ["x"]) for name in ("a", "b", "c")])
    assert [job.id for job in case.queue.jobs(before="c", limit=1)] == ["b"]
    assert [job.id for job in case.queue.jobs(before="b", state=JobState.QUEUED)] == ["a"]


def test_a_job_says_how_its_tasks_stand(case: Case) -> None:
    case.add(tasks=("a", "b", "c"))
    lease = case.claim()
    case.queue.pause("j1")
    record = case.queue.job("j1")
    assert (record.tasks, record.pause_requested) == ({"leased": 1, "ready": 2}, True)
    case.queue.complete(lease, Done())
    assert case.queue.jobs()[0].tasks == {"done": 1, "ready": 2}


def test_a_job_of_an_older_farm_is_the_same_job(case: Case) -> None:
    """Its spec was written before the fields that have been added since."""
    case.add()
    with case.queue._writing("test") as ledger:
        spec = json.loads(ledger.job("j1").spec)
        del spec["after"]
        ledger.change_job("j1", spec=json.dumps(spec))
    _, new = case.queue.add("j1", job_spec())
    assert not new
    with pytest.raises(Conflict):
        case.add("j1", priority=3)


def test_waiting_ends_with_the_next_event(case: Case) -> None:
    version = case.queue.version()
    assert case.queue.wait(version, 0.0) == version
    assert case.queue.wait(version - 1, 60.0) == version
    found: list[int] = []
    waiter = threading.Thread(target=lambda: found.append(case.queue.wait(version, 60.0)))
    waiter.start()
    case.add()
    waiter.join()
    assert found == [case.queue.version()]
    assert found[0] > version


def test_events_are_read_from_where_a_reader_stopped(case: Case) -> None:
    case.add()
    case.queue.pause("j1")
    case.queue.resume("j1")
    assert [event.seq for event in case.queue.events("j1", after=1)] == [2, 3]
    assert [event.seq for event in case.queue.events("j1", after=1, limit=1)] == [2]
    assert case.queue.events("j1", after=3) == []


def test_the_version_grows_with_events_and_with_nothing_else(case: Case) -> None:
    start = case.queue.version()
    case.add()
    added = case.queue.version()
    lease = case.claim()
    case.queue.heartbeat(lease, 30)
    assert start < added == case.queue.version()
    case.queue.append("j1", PREVIEW)
    assert case.queue.version() > added


def test_counts_name_every_state(case: Case) -> None:
    case.add("a")
    case.add("b")
    case.queue.cancel("b")
    expected = dict.fromkeys((state.value for state in JobState), 0)
    assert case.queue.counts() == {**expected, "queued": 1, "cancelled": 1}


def in_state(case: Case, state: str) -> None:
    """Bring job ``j1`` to a state by way of the public calls."""
    case.add()
    if state == "paused":
        case.queue.pause("j1")
    elif state == "cancelled":
        case.queue.cancel("j1", "first")
    elif state != "queued":
        lease = case.claim()
        if state == "done":
            case.queue.complete(lease, Done())
        elif state == "failed":
            case.queue.fail(lease, "input", "bad")
        elif state == "cancelling":
            case.queue.cancel("j1", "first")
        elif state == "pausing":
            case.queue.pause("j1")


ORDERS: dict[str, dict[str, str | None]] = {
    "queued": {"cancel": "cancelled", "pause": "paused", "resume": "queued", "retry_job": None},
    "running": {"cancel": "running", "pause": "running", "resume": "running", "retry_job": None},
    "cancelling": {"cancel": "running", "pause": None, "resume": "running", "retry_job": None},
    "pausing": {"cancel": "running", "pause": "running", "resume": "running", "retry_job": None},
    "paused": {"cancel": "cancelled", "pause": "paused", "resume": "queued", "retry_job": None},
    "done": {"cancel": None, "pause": None, "resume": None, "retry_job": None},
    "failed": {"cancel": None, "pause": None, "resume": None, "retry_job": "queued"},
    "cancelled": {"cancel": "cancelled", "pause": None, "resume": None, "retry_job": "queued"},
}


@pytest.mark.parametrize("order", ["cancel", "pause", "resume", "retry_job"])
@pytest.mark.parametrize("state", list(ORDERS))
def test_an_order_does_what_the_table_says(case: Case, state: str, order: str) -> None:
    in_state(case, state)
    before = case.queue.job("j1"), case.kinds()
    expected = ORDERS[state][order]
    if expected is None:
        with pytest.raises(IllegalTransition, match=r"^job: 'j1' is \w+ and cannot become"):
            getattr(case.queue, order)("j1")
        assert (case.queue.job("j1"), case.kinds()) == before
        return
    record = getattr(case.queue, order)("j1")
    assert record.state == expected
    assert record == case.queue.job("j1")
    repeatable = order != "retry_job"
    kinds = case.kinds()
    if repeatable:
        assert getattr(case.queue, order)("j1") == record
        assert case.kinds() == kinds


def test_cancelling_what_waits_ends_it_at_once(case: Case) -> None:
    case.add(tasks=("a", "b"))
    record = case.queue.cancel("j1", "changed my mind")
    assert (record.state, record.reason) == (JobState.CANCELLED, "changed my mind")
    assert {task.state for task in case.queue.tasks("j1")} == {TaskState.CANCELLED}
    event = case.queue.events("j1")[-1]
    assert isinstance(event, CancelledEvent)
    assert event.reason == "changed my mind"
    assert case.queue.claim("w", 30) is None


def test_cancelling_what_runs_asks_its_worker(case: Case) -> None:
    case.add()
    lease = case.claim()
    assert case.queue.cancel("j1", "why").cancel_requested
    assert case.kinds() == ["queued"]
    assert case.queue.heartbeat(lease, 30).cancel_requested
    case.queue.stopped(lease)
    assert case.state() is JobState.CANCELLED
    assert case.queue.job("j1").reason == "why"
    assert not case.queue.job("j1").cancel_requested
    assert case.kinds() == ["queued", "cancelled"]


def test_pausing_what_runs_asks_its_worker(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.queue.pause("j1")
    assert case.queue.heartbeat(lease, 30).pause_requested
    case.queue.stopped(lease)
    assert case.state() is JobState.PAUSED
    assert case.task().state is TaskState.READY
    assert case.queue.claim("w", 30) is None
    case.queue.resume("j1")
    assert case.kinds() == ["queued", "paused", "resumed"]
    again = case.claim()
    assert not case.queue.heartbeat(again, 30).pause_requested


def test_a_pause_lifted_while_the_worker_stops_queues_the_job(case: Case) -> None:
    case.add()
    lease = case.claim()
    case.queue.pause("j1")
    case.queue.resume("j1")
    assert not case.queue.heartbeat(lease, 30).pause_requested
    case.queue.stopped(lease)
    assert case.state() is JobState.QUEUED
    assert case.kinds() == ["queued", "queued"]
    assert case.claim().attempt == 2


def test_no_more_tasks_of_a_job_are_claimed_once_it_is_to_stop(case: Case) -> None:
    case.add(tasks=("a", "b"))
    lease = case.claim()
    case.queue.pause("j1")
    assert case.queue.claim("w2", 30) is None
    case.queue.resume("j1")
    assert case.claim("w2").task == "j1/b"
    case.queue.cancel("j1")
    case.queue.stopped(lease)
    assert case.state() is JobState.RUNNING


def test_a_retried_job_keeps_its_checkpoint_and_forgets_its_failures(case: Case) -> None:
    case.add()
    lease = case.claim()
    mark = Checkpointed(task=lease.task, attempt=1, blob="c" * 64, scale=1, iteration=9)
    case.queue.checkpoint(lease, mark)
    case.queue.retry(lease, "oom", "no memory", delay=0)
    case.queue.fail(case.claim(), "oom", "still none")
    assert (case.state(), case.queue.job("j1").reason) == (JobState.FAILED, "still none")
    assert case.task().failures == 2
    record = case.queue.retry_job("j1")
    assert (record.state, record.reason) == (JobState.QUEUED, "")
    assert (case.task().failures, case.task().checkpoint) == (0, "c" * 64)
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Queued)
    assert event.reason == "retry of a failed job"
    again = case.claim()
    assert (again.attempt, again.checkpoint, again.failures) == (3, "c" * 64, 0)


def test_a_retried_job_does_not_repeat_tasks_that_are_done(case: Case) -> None:
    case.add(tasks=("a", "b"))
    case.queue.complete(case.claim(), Done(usd=1.0))
    case.queue.fail(case.claim(), "input", "bad")
    case.queue.retry_job("j1")
    assert [task.state.value for task in case.queue.tasks("j1")] == ["done", "ready"]
    assert case.claim().task == "j1/b"


def test_a_preview_is_noted_until_the_job_has_ended(case: Case) -> None:
    case.add()
    event = case.queue.append("j1", PREVIEW)
    assert event is not None
    assert (event.job, event.seq, event.at) == ("j1", 2, case.clock.now())
    case.queue.cancel("j1")
    assert case.queue.append("j1", PREVIEW) is None
    assert case.kinds() == ["queued", "rendition", "cancelled"]
    with pytest.raises(ValueError, match="'done' event needs a lease"):
        case.queue.append("j1", Done())
