"""Tasks that come after tasks, and jobs that come after jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_cases import KINDS, Case, job_spec, opened

from farm.errors import Conflict, IllegalTransition, InvalidInput
from farm.spec import JobState, Lease, TaskSpec, TaskState
from farm.spec.event import Done, Failed, Queued


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


DIAMOND = (
    TaskSpec(name="end", after=("left", "right")),
    TaskSpec(name="left", after=("start",)),
    TaskSpec(name="right", after=("start", "start")),
    TaskSpec(name="start"),
)


def states(case: Case, job: str = "j1") -> dict[str, str]:
    return {task.name: task.state.value for task in case.queue.tasks(job)}


def finish(case: Case) -> str:
    lease = case.claim()
    case.queue.complete(lease, Done())
    return lease.task_name


def test_tasks_wait_for_what_they_come_after(case: Case) -> None:
    case.queue.add("j1", job_spec(), tasks=DIAMOND)
    record = case.queue.job("j1")
    assert record.tasks == {"waiting": 3, "ready": 1}
    end = case.task()
    assert (end.name, end.after, end.state) == ("end", ("left", "right"), TaskState.WAITING)
    assert finish(case) == "start"
    assert states(case) == {"end": "waiting", "left": "ready", "right": "ready", "start": "done"}
    assert finish(case) == "left"
    assert states(case)["end"] == "waiting"
    assert [finish(case), finish(case)] == ["right", "end"]
    assert case.state() is JobState.DONE
    assert case.queue.job("j1").tasks == {"done": 4}
    assert case.kinds() == ["queued", "done"]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([TaskSpec(name="a", after=("b",))], "task 'a' comes after 'b', which is no task of the job"),
        ([TaskSpec(name="a", after=("a",))], "task 'a' after 'a' is a circle"),
        (
            [TaskSpec(name="a", after=("b",)), TaskSpec(name="b", after=("a",))],
            r"task '(a' after 'b' after 'a|b' after 'a' after 'b)' is a circle",
        ),
    ],
)
def test_tasks_that_wait_for_ever_are_refused(case: Case, tasks: list[TaskSpec], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^tasks: {message}; [^.]+[.]$"):
        case.queue.add("j1", job_spec(), tasks=tasks)
    assert case.queue.jobs() == []


def test_a_failed_task_drops_what_waits_for_it(case: Case) -> None:
    case.queue.add("j1", job_spec(), tasks=DIAMOND)
    case.queue.fail(case.claim(), "invalid", "bad")
    assert set(states(case).values()) == {"failed", "cancelled"}
    case.queue.retry_job("j1")
    assert case.queue.job("j1").tasks == {"waiting": 3, "ready": 1}
    assert [finish(case) for _ in range(4)] == ["start", "left", "right", "end"]
    assert case.state() is JobState.DONE


def test_a_job_waits_for_the_jobs_it_comes_after(case: Case) -> None:
    case.add("a", priority=1)
    case.add("b", priority=0)
    case.add("c", priority=100, after=["a", "b", "a"], tasks=("x", "y"))
    assert states(case, "c") == {"x": "waiting", "y": "waiting"}
    assert case.queue.ready_count() == 2
    for _ in range(2):
        assert case.state("c") is JobState.QUEUED
        assert case.kinds("c") == ["queued"]
        finish(case)
    assert states(case, "c") == {"x": "ready", "y": "ready"}
    assert case.kinds("c") == ["queued", "queued"]
    event = case.queue.events("c")[-1]
    assert isinstance(event, Queued)
    assert event.reason == "the jobs that it comes after are done"
    assert [finish(case), finish(case)] == ["x", "y"]
    assert case.state("c") is JobState.DONE


def test_a_job_after_one_that_is_done_need_not_wait(case: Case) -> None:
    case.add("a")
    finish(case)
    case.add("b", after=["a"])
    assert case.claim().job == "b"


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_job_stays_queued_until_what_it_comes_after_was_retried(case: Case, end: str) -> None:
    case.add("a")
    case.add("b", after=["a"])
    if end == "fail":
        case.queue.fail(case.claim(), "invalid", "bad")
    else:
        case.queue.cancel("a")
    assert case.queue.claim("w", 30) is None
    assert (case.state("b"), states(case, "b")) == (JobState.QUEUED, {"print": "waiting"})
    case.queue.retry_job("a")
    finish(case)
    assert case.claim().job == "b"


def test_a_waiting_job_takes_orders(case: Case) -> None:
    case.add("a")
    case.add("b", after=["a"])
    case.queue.pause("b")
    finish(case)
    assert states(case, "b") == {"print": "ready"}
    assert case.queue.claim("w", 30) is None
    case.queue.resume("b")
    assert case.claim().job == "b"


def test_a_retried_job_waits_again(case: Case) -> None:
    case.add("a")
    case.add("b", after=["a"])
    case.queue.cancel("b")
    case.queue.retry_job("b")
    assert states(case, "b") == {"print": "waiting"}
    case.queue.cancel("b")
    finish(case)
    assert states(case, "b") == {"print": "cancelled"}
    case.queue.retry_job("b")
    assert case.claim().job == "b"


def test_an_unknown_prerequisite_is_refused(case: Case) -> None:
    with pytest.raises(InvalidInput, match=r"^after: job 'b' comes after 'nobody', which is no job"):
        case.add("b", after=["nobody"])
    with pytest.raises(InvalidInput, match=r"^after: job 'b' after 'b' is a circle"):
        case.add("b", after=["b"])
    assert case.queue.jobs() == []


def test_jobs_added_together_may_come_after_each_other(case: Case) -> None:
    added = case.queue.add_many(
        [("b", job_spec(after=["a"]), ["x"]), ("a", job_spec(priority=1), ["y", "z"])]
    )
    assert [(record.id, new) for record, new in added] == [("b", True), ("a", True)]
    assert added[0][0] == case.queue.job("b")
    assert [finish(case), finish(case), finish(case)] == ["y", "z", "x"]


def test_jobs_added_together_are_all_accepted_or_none(case: Case) -> None:
    case.add("a", priority=1)
    one, other = job_spec(), job_spec(priority=2)
    with pytest.raises(Conflict, match="'a' was used before"):
        case.queue.add_many([("b", one, ["x"]), ("a", other, ["print"])])
    with pytest.raises(InvalidInput, match="'b' is given 2 times"):
        case.queue.add_many([("b", one, ["x"]), ("b", one, ["x"])])
    circle = [("b", job_spec(after=["c"]), ["x"]), ("c", job_spec(after=["b"]), ["x"])]
    with pytest.raises(InvalidInput, match="is a circle; leave one of them out"):
        case.queue.add_many(circle)
    assert [job.id for job in case.queue.jobs()] == ["a"]
    again = case.queue.add_many([("b", one, ["x"]), ("a", job_spec(priority=1), ["print"])])
    assert [new for _, new in again] == [True, False]


def test_chosen_tasks_are_tried_again(case: Case) -> None:
    case.add(tasks=("a", "b", "c"))
    finish(case)
    case.queue.fail(case.claim(), "model", "bad weights")
    assert states(case) == {"a": "done", "b": "failed", "c": "cancelled"}
    record = case.queue.retry_tasks("j1", ["b"])
    assert (record.state, record.tasks) == (JobState.QUEUED, {"done": 1, "ready": 1, "cancelled": 1})
    assert finish(case) == "b"
    assert case.state() is JobState.CANCELLED
    assert case.queue.job("j1").reason.startswith("1 of its tasks had ended without a result")
    case.queue.retry_tasks("j1", ["c", "c"])
    assert finish(case) == "c"
    assert case.state() is JobState.DONE
    assert case.kinds() == ["queued", "failed", "queued", "cancelled", "queued", "done"]


def test_a_job_of_which_a_failed_task_is_left_fails_again(case: Case) -> None:
    case.add(tasks=("a", "b"))
    case.queue.fail(case.claim(), "model", "bad weights")
    case.queue.retry_tasks("j1", ["b"])
    assert finish(case) == "b"
    event = case.queue.events("j1")[-1]
    assert isinstance(event, Failed)
    assert (event.cause, case.state()) == ("incomplete", JobState.FAILED)


def test_tasks_that_cannot_be_tried_again_are_refused(case: Case) -> None:
    case.queue.add("j1", job_spec(), tasks=DIAMOND)
    with pytest.raises(IllegalTransition, match="'j1/start' is ready and cannot be tried again"):
        case.queue.retry_tasks("j1", ["start"])
    case.queue.cancel("j1")
    for wrong, message in (
        ([], "none is named"),
        (["nobody"], "'nobody' is no task of job 'j1'"),
        (["left"], "'left' comes after 'start', which is cancelled; try that one again too"),
    ):
        with pytest.raises(InvalidInput, match=message):
            case.queue.retry_tasks("j1", wrong)
    assert case.state() is JobState.CANCELLED
    case.queue.retry_tasks("j1", ["left", "start"])
    assert [finish(case), finish(case)] == ["start", "left"]
    assert case.state() is JobState.CANCELLED


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_job_added_while_another_becomes_done_is_not_forgotten(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as case:
        for index in range(12):
            case.add(f"a{index}")
            lease = case.claim()
            start = threading.Barrier(2)

            def complete(lease: Lease = lease, start: threading.Barrier = start) -> None:
                start.wait()
                case.queue.complete(lease, Done())

            thread = threading.Thread(target=complete)
            thread.start()
            start.wait()
            case.add(f"b{index}", after=[f"a{index}"])
            thread.join()
            assert finish(case) == "print"
            assert case.state(f"b{index}") is JobState.DONE
