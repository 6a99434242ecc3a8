"""A queue planned at once: who gets the scarce places."""

from __future__ import annotations

import pytest
from route_cases import pool, work

from farm.route.board import Board
from farm.route.plan import Queued, Slot, plan_queue
from farm.route.policy import Wish
from farm.route.ways import weigh

NOW = 1e9
CHEAP = pool("cheap", 1.0, 3.6)  # a cent in ten seconds
DEAR = pool("dear", 1.0, 36.0, count=99)
BOARD = Board.of([CHEAP, DEAR])


def job(seconds: int = 100, due: float | None = None, priority: int = 0, **wish: float) -> Queued:
    moment = None if due is None else NOW + due
    return Queued(weigh(work(seconds), BOARD), Wish(due=moment, **wish), priority)  # type: ignore[arg-type]


def names(slots: list[Slot | None], board: Board = BOARD) -> list[str]:
    return [board.pools[board.pool[slot.way]].name if slot else "-" for slot in slots]


@pytest.fixture(params=[0, 2000], ids=["greedy", "searched"])
def steps(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_whoever_can_wait_for_the_cheap_place_does(steps: int) -> None:
    slots = plan_queue([job(), job()], BOARD, NOW, steps=steps)
    assert names(slots) == ["cheap", "cheap"]
    assert sorted(slot.begins for slot in slots if slot) == [NOW, NOW + 100]


def test_whoever_cannot_wait_goes_first_or_elsewhere(steps: int) -> None:
    slots = plan_queue([job(), job(due=120)], BOARD, NOW, steps=steps)
    assert names(slots) == ["cheap", "cheap"]
    assert slots[1] == Slot(0, NOW)
    both = plan_queue([job(due=120), job(due=120)], BOARD, NOW, steps=steps)
    assert sorted(names(both)) == ["cheap", "dear"]
    assert all(slot and slot.kept for slot in both)


def test_the_place_goes_to_whom_it_saves_most(steps: int) -> None:
    # On the dear pool the long one would pay $3.60 more, the short one 90 cents.
    slots = plan_queue([job(100, due=120), job(400, due=462)], BOARD, NOW, steps=steps)
    assert names(slots) == ["dear", "cheap"]


def test_priority_goes_before_money(steps: int) -> None:
    jobs = [job(100, due=120, priority=1), job(400, due=462)]
    assert names(plan_queue(jobs, BOARD, NOW, steps=steps)) == ["cheap", "dear"]


def test_what_runs_is_waited_for() -> None:
    (slot,) = plan_queue([job(due=200)], BOARD, NOW, busy=[[NOW + 50], []])
    assert slot == Slot(0, NOW + 50)
    (slot,) = plan_queue([job(due=160)], BOARD, NOW, busy=[[NOW + 50], []])
    assert slot == Slot(1, NOW)
    (slot,) = plan_queue([job(due=200)], BOARD, NOW, busy=[[NOW - 50], []])
    assert slot == Slot(0, NOW), "what should have ended is expected any moment"


def test_time_that_is_worth_something_is_not_spent_waiting() -> None:
    slots = plan_queue([job(hour_usd=1.0), job(hour_usd=40.0)], BOARD, NOW)
    assert names(slots) == ["cheap", "dear"] or slots[1] == Slot(0, NOW)


def test_a_budget_alone_buys_speed() -> None:
    fast = Board.of([CHEAP, pool("fast", 10.0, 72.0)])
    ways = weigh(work(100), fast)
    slots = plan_queue([Queued(ways, Wish(budget_usd=9.0))], fast, NOW)
    assert names(slots, fast) == ["fast"]


def test_what_is_too_late_goes_the_soonest_way_and_says_so() -> None:
    (slot,) = plan_queue([job(due=90)], BOARD, NOW, busy=[[NOW + 50], []])
    assert slot == Slot(1, NOW, kept=False)


def test_what_no_pool_can_take_gets_no_slot() -> None:
    board = Board.of([pool("none", count=0)])
    assert plan_queue([Queued(weigh(work(1), board), Wish())], board, NOW) == [None]


def test_gangs_wait_for_as_many_places_as_they_take() -> None:
    board = Board.of([pool("m", 1.0, 3.6, machine=4, count=4)])
    ways = weigh(work(100), board)
    busy = [[NOW + 10.0, NOW + 20.0, NOW + 30.0]]
    four = Queued(ways, Wish(devices=4))
    assert plan_queue([four], board, NOW, busy) == [Slot(2, NOW + 30)]
    assert plan_queue([Queued(ways, Wish(devices=2))], board, NOW, busy) == [Slot(1, NOW + 10)]


def test_a_crowd_is_planned_within_its_places() -> None:
    pools = [pool("a", 1.0, 3.6, count=7), pool("b", 2.0, 10.0, count=3, machine=3), DEAR]
    board = Board.of(pools)
    jobs = [
        Queued(weigh(work(50 + index % 9), board), Wish(due=NOW + 100 + 7 * (index % 40)))
        for index in range(200)
    ]
    slots = [slot for slot in plan_queue(jobs, board, NOW) if slot]
    assert len(slots) == 200
    ends = [
        slot.begins + float(one.ways.expected_seconds[slot.way])
        for one, slot in zip(jobs, slots, strict=True)
    ]
    for index, each in enumerate(pools):
        spans = [
            (slot.begins, end, int(board.places[slot.way]))
            for slot, end in zip(slots, ends, strict=True) if board.pool[slot.way] == index
        ]  # fmt: skip
        for begin, _, _ in spans:
            assert sum(n for b, e, n in spans if b <= begin < e - 1e-6) <= each.count
    for one, slot in zip(jobs, slots, strict=True):
        assert one.wish.due is not None
        in_time = slot.begins + float(one.ways.p90_seconds[slot.way]) <= one.wish.due
        assert in_time == slot.kept
