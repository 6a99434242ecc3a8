"""How long people wait for the first picture of what they ordered, and for the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_cases import KINDS, Case, opened

from farm.spec import Lease
from farm.spec.cost import Wait
from farm.spec.event import Artefact, Done, Rendition

PICTURE = Artefact(name="p.png", blob="b" * 64, media_type="image/png", bytes=1)


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case


def show(case: Case, lease: Lease | None = None) -> None:
    picture = Rendition(fidelity="preview", width=8, height=8, picture=PICTURE)
    if lease is None:
        case.queue.append("j1", picture)
    else:
        case.queue.record(lease, picture)


def test_the_first_picture_and_the_final_one_end_a_wait(case: Case) -> None:
    asked = case.clock.now()
    case.add(project="ads", labels={"user": "mia"})
    case.clock.advance(2)
    show(case)
    lease = case.claim()
    case.clock.advance(5)
    show(case, lease)
    case.clock.advance(60)
    case.queue.complete(lease, Done())
    assert case.queue.waits(0.0) == [
        Wait(job="j1", project="ads", user="mia", asked=asked, first=2.0, final=67.0)
    ]


def test_waits_that_go_on_are_told_too(case: Case) -> None:
    case.add("old")
    case.clock.advance(10)
    since = case.clock.now()
    case.add()
    case.clock.advance(3)
    show(case)
    case.clock.advance(1)
    case.add("new")
    new, shown, old = case.queue.waits(0.0)
    assert (new.job, new.first, new.final) == ("new", None, None)
    assert (shown.job, shown.first, shown.final, shown.user) == ("j1", 3.0, None, "")
    assert old.job == "old"
    assert [wait.job for wait in case.queue.waits(since)] == ["new", "j1"]
    assert [wait.job for wait in case.queue.waits(0.0, limit=1)] == ["new"]


def test_a_result_without_a_picture_before_ends_both(case: Case) -> None:
    case.add()
    case.clock.advance(4)
    case.queue.complete(case.claim(), Done())
    (wait,) = case.queue.waits(0.0)
    assert (wait.first, wait.final) == (4.0, 4.0)


def test_nobody_waits_less_than_nothing(case: Case) -> None:
    case.add()
    case.clock.advance(-60)
    show(case)
    (wait,) = case.queue.waits(0.0)
    assert wait.first == 0.0
