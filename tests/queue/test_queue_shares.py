"""Whose turn it is: projects by weight and limit, and nodes that failures take out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_cases import KINDS, Case, job_spec, lose, opened

from farm.errors import InvalidInput, NotFound
from farm.queue.facts import Head
from farm.queue.sharing import by_turn
from farm.spec import Lease
from farm.spec.event import Done, Started


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


def names(count: int) -> tuple[str, ...]:
    return tuple(f"t{index}" for index in range(count))


def test_turns_go_by_share_then_priority_then_age_then_id() -> None:
    heads = [
        Head("full", 3, 1.0, "a", 0, 1.0),
        Head("heavy", 3, 4.0, "b", 50, 9.0),
        Head("late", 0, 1.0, "e", 50, 3.0),
        Head("urgent", 0, 1.0, "f", 10, 9.0),
        Head("old", 0, 1.0, "g", 50, 2.0),
        Head("twin", 0, 1.0, "d", 50, 3.0),
    ]
    turns = [head.project for head in by_turn(heads)]
    assert turns == ["urgent", "old", "twin", "late", "heavy", "full"]


def test_projects_share_by_weight(case: Case) -> None:
    case.queue.set_project("one", weight=1.0)
    case.queue.set_project("three", weight=3.0)
    case.add("a", tasks=names(20), project="one", priority=100)
    case.add("b", tasks=names(20), project="three", priority=0)
    share = Counter(case.claim().spec.project for _ in range(12))
    assert share == {"one": 3, "three": 9}


def test_a_project_that_had_nothing_catches_up(case: Case) -> None:
    case.add("a", tasks=names(6), project="early")
    for _ in range(4):
        case.claim()
    case.add("b", tasks=names(6), project="late", priority=0)
    assert [case.claim().spec.project for _ in range(4)] == ["late"] * 4


def test_a_limit_holds_a_project_back(case: Case) -> None:
    case.queue.set_project("p", max_running=2)
    case.add("a", tasks=names(5), project="p")
    first, _ = case.claim(), case.claim()
    assert case.queue.claim("w", 30) is None
    case.add("b", project="other", priority=0)
    assert case.claim().job == "b"
    case.queue.complete(first, Done())
    assert case.claim().job == "a"
    case.queue.set_project("p", max_running=None)
    assert case.claim().job == "a"


def test_a_limit_of_none_at_all_lets_nothing_run(case: Case) -> None:
    case.queue.set_project("p", max_running=0)
    case.add(project="p")
    assert case.queue.claim("w", 30) is None


def test_projects_count_what_runs_and_what_is_ready(case: Case) -> None:
    case.queue.set_project("p", weight=2.0, max_running=9)
    case.add("a", tasks=names(4), project="p")
    case.add("b", tasks=names(2), project="q")
    first = case.claim()
    case.queue.retry(first, "unknown", "odd", delay=60)
    case.claim()
    case.queue.pause("b")
    p, q = case.queue.projects()
    assert (p.name, p.weight, p.max_running) == ("p", 2.0, 9)
    assert p.running + q.running == 1
    assert (q.name, q.ready) == ("q", 0)
    assert case.queue.ready_count() == p.ready
    case.queue.resume("b")
    assert case.queue.ready_count() == p.ready + 2 - q.running
    case.queue.cancel("a", at_once=True)
    assert case.queue.projects()[0].ready == 0


@pytest.mark.parametrize(
    ("name", "share", "message"),
    [
        ("a b", {}, "project: 'a b' is not valid"),
        ("p", {"weight": 0.0}, "weight: 0.0 is not valid"),
        ("p", {"weight": float("nan")}, "weight: nan is not valid"),
        ("p", {"max_running": -1}, "max_running: -1 is not valid"),
    ],
)
def test_a_share_that_is_none_is_invalid(
    case: Case, name: str, share: dict[str, float], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        case.queue.set_project(name, **share)  # type: ignore[arg-type]
    assert case.queue.projects() == []


def test_what_is_to_be_avoided_is_passed_over(case: Case) -> None:
    case.add("a", tasks=("x", "y"), priority=90)
    case.add("b", priority=50)
    case.add("c", priority=10)
    lease = case.queue.claim("w", 30, avoid=["a/x", "b"])
    assert lease is not None
    assert lease.task == "a/y"
    lease = case.queue.claim("w", 30, avoid=["a/x", "b"])
    assert lease is not None
    assert lease.task == "c/print"
    assert case.queue.claim("w", 30, avoid=["a/x", "b"]) is None
    assert case.claim().task == "a/x"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_limit_holds_however_many_claim_at_once(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as case:
        case.queue.set_project("p", max_running=5)
        for index in range(8):
            case.add(f"j{index}", tasks=names(4), project="p")
        case.add("free", tasks=names(3), project="q")
        leases: list[Lease | None] = []
        start = threading.Barrier(6)

        def work(worker: str) -> None:
            start.wait()
            leases.extend(case.queue.claim(worker, 30) for _ in range(3))

        threads = [threading.Thread(target=work, args=(f"w{index}",)) for index in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(lease.spec.project for lease in leases if lease) == {"p": 5, "q": 3}
        assert [project.running for project in case.queue.projects()] == [5, 3]


def fail_on(case: Case, node: str, job: str, cause: str = "unknown") -> None:
    case.add(job)
    lease = case.claim(job)
    case.queue.record(lease, Started(task=lease.task, attempt=1, worker="w", node=node))
    case.queue.fail(lease, cause, "broke")


def test_three_different_tasks_take_a_node_out(case: Case) -> None:
    fail_on(case, "n1", "a")
    case.queue.retry_job("a")
    again = case.claim()
    case.queue.record(again, Started(task=again.task, attempt=2, worker="w", node="n1"))
    case.queue.retry(again, "out_of_memory", "no room", delay=600)
    (node,) = case.queue.nodes()
    assert (node.name, node.failed_tasks, node.out) == ("n1", 1, False)
    fail_on(case, "n1", "b")
    case.clock.advance(5)
    fail_on(case, "n1", "c")
    (node,) = case.queue.nodes()
    assert (node.failed_tasks, node.out, node.since) == (3, True, case.clock.now())
    assert node.reason == "3 different tasks failed on it, the last one 'c/print'"
    assert [attempt.node for attempt in case.queue.attempts("a")] == ["n1", "n1"]


def test_a_success_clears_a_node_but_does_not_readmit_it(case: Case) -> None:
    for job in ("a", "b"):
        fail_on(case, "n1", job)
    case.add("good")
    lease = case.claim()
    case.queue.record(lease, Started(task=lease.task, attempt=1, worker="w", node="n1"))
    case.queue.complete(lease, Done())
    assert case.queue.nodes() == []
    for job in ("c", "d", "e"):
        fail_on(case, "n1", job)
    case.add("late")
    lease = case.claim()
    case.queue.record(lease, Started(task=lease.task, attempt=1, worker="w", node="n1"))
    case.queue.complete(lease, Done())
    (node,) = case.queue.nodes()
    assert (node.failed_tasks, node.out) == (0, True)
    case.queue.readmit("n1")
    assert case.queue.nodes() == []
    with pytest.raises(NotFound, match=r"^node: nothing failed on 'n9'; .* are: none\.$"):
        case.queue.readmit("n9")


def test_what_is_not_the_nodes_fault_does_not_count(case: Case) -> None:
    for job, cause in (("a", "invalid"), ("b", "refused")):
        fail_on(case, "n1", job, cause)
    for job, cause, counts in (("c", "preempted", False), ("d", "moved", False), ("e", "odd", False)):
        case.add(job)
        lease = case.claim()
        case.queue.record(lease, Started(task=lease.task, attempt=1, worker="w", node="n1"))
        case.queue.retry(lease, cause, "why", counts=counts, delay=600)
    assert case.queue.nodes() == []


def test_lost_workers_count_against_their_node(case: Case) -> None:
    for job in ("a", "b", "c"):
        case.add(job)
        lease = case.claim(ttl=10)
        case.queue.record(lease, Started(task=lease.task, attempt=1, worker="w", node="n1"))
        case.clock.advance(10)
        assert len(lose(case.queue)) == 1
        case.queue.cancel(job)
    assert case.queue.nodes()[0].out


def test_sharing_needs_no_project_to_be_named(case: Case) -> None:
    case.queue.add("a", job_spec(project="unheard-of"))
    assert case.claim().job == "a"
    assert [project.name for project in case.queue.projects()] == ["unheard-of"]
