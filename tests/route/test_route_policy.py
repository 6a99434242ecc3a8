"""The rule: cheapest in time, fastest within the budget, and what waiting is worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from route_cases import pool, spot, work

from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.front import front
from farm.route.policy import Choice, Reason, Wish, choose, keeps
from farm.route.ways import Ways, weigh

NOW = 1e9
SLOW = pool("slow", 0.1, 3.6, count=4)  # 1000 s, $1.00; at p90 1150 s, $1.15
FAST = pool("fast", 1.0, 72.0, count=4)  # 100 s, $2.00; at p90 115 s, $2.30


def ways_on(*pools: Pool) -> Ways:
    return weigh(work(100), Board.of(pools))


def chosen(ways: Ways, choice: Choice | None) -> str:
    assert choice is not None
    return str(ways.board.pools[ways.pool[choice.way]].name)


@pytest.mark.parametrize(
    ("wish", "name", "reason"),
    [
        (Wish(), "slow", Reason.CHEAPEST),
        (Wish(due=NOW + 1151), "slow", Reason.CHEAPEST),
        (Wish(due=NOW + 1149), "fast", Reason.CHEAPEST),
        (Wish(budget_usd=2.31), "fast", Reason.FASTEST),
        (Wish(budget_usd=2.29), "slow", Reason.FASTEST),
        (Wish(due=NOW + 1151, budget_usd=2.31), "slow", Reason.CHEAPEST),
        (Wish(hour_usd=3.9), "slow", Reason.WORTH),  # 900 s sooner for $1.00 more: $4.00 an hour
        (Wish(hour_usd=4.1), "fast", Reason.WORTH),
    ],
)
def test_the_rule(wish: Wish, name: str, reason: Reason) -> None:
    ways = ways_on(SLOW, FAST)
    choice = choose(ways, wish, NOW)
    assert choice is not None
    assert (chosen(ways, choice), choice.reason) == (name, reason)


@pytest.mark.parametrize(
    "wish", [Wish(due=NOW + 114), Wish(budget_usd=1.14), Wish(due=NOW + 200, budget_usd=2.0)]
)
def test_no_way_is_better_than_a_broken_promise(wish: Wish) -> None:
    assert choose(ways_on(SLOW, FAST), wish, NOW) is None


def test_what_is_not_free_is_not_there_unless_one_waits() -> None:
    ways = ways_on(SLOW, FAST)
    taken = np.array([0, 4])
    assert chosen(ways, choose(ways, Wish(), NOW, taken)) == "fast"
    assert choose(ways, Wish(), NOW, np.array([0, 0])) is None
    waits = np.array([500.0, 0.0])
    choice = choose(ways, Wish(), NOW, taken, waits)
    assert chosen(ways, choice) == "slow"
    assert choice is not None
    assert choice.wait == 500.0
    assert chosen(ways, choose(ways, Wish(due=NOW + 1649), NOW, taken, waits)) == "fast"
    assert chosen(ways, choose(ways, Wish(hour_usd=3.0), NOW, taken, waits)) == "fast"
    assert chosen(ways, choose(ways, Wish(budget_usd=9), NOW, np.array([4, 0]), waits + 901)) == "slow"
    nobody_knows = np.array([np.inf, np.inf])
    assert choose(ways, Wish(), NOW, np.array([0, 0]), nobody_knows) is None


def test_of_equal_pools_the_free_one_is_taken() -> None:
    ways = ways_on(SLOW, SLOW.model_copy(update={"name": "twin"}))
    free, wait = np.array([0, 1]), np.array([60.0, 60.0])
    assert chosen(ways, choose(ways, Wish(), NOW, free, wait)) == "twin"


def test_a_gang_is_bought_only_for_a_deadline_or_by_a_budget() -> None:
    ways = ways_on(pool("a", 1.0, 3.6, machine=4, count=4, gang_share=0.1))

    def devices(wish: Wish, free: int = 4) -> int:
        choice = choose(ways, wish, NOW, np.array([free]))
        assert choice is not None
        return int(ways.devices[choice.way])

    assert devices(Wish()) == 1
    assert devices(Wish(due=NOW + 70)) == 2
    assert devices(Wish(due=NOW + 50)) == 4
    assert devices(Wish(budget_usd=1.0)) == 4
    assert devices(Wish(budget_usd=0.1150001 * 1.1)) == 2
    assert devices(Wish(budget_usd=1.0), free=3) == 2
    assert devices(Wish(devices=4)) == 4
    assert choose(ways, Wish(devices=3), NOW) is None


def test_spot_is_taken_while_its_risk_is_worth_it() -> None:
    for price, name in ((3.0, "spot"), (3.5, "steady")):
        there = spot("spot", 1.0, price, every_hours=2, checkpoint_seconds=8, startup_seconds=180)
        ways = weigh(work(3 * 3600), Board.of([there, pool("steady", 1.0, 3.6)]))
        assert chosen(ways, choose(ways, Wish(), NOW)) == name
        assert chosen(ways, choose(ways, Wish(spot=False), NOW)) == "steady"


def test_a_deadline_is_kept_at_the_90th_percentile_of_preemptions_too() -> None:
    ways = weigh(
        work(3 * 3600),
        Board.of(
            [spot("spot", 1.0, 1.0, every_hours=1, checkpoint_seconds=60), pool("steady", 1.0, 3.6)]
        ),
    )
    assert ways.p90_seconds[0] > ways.p90_seconds[1]
    between = NOW + float(ways.p90_seconds.mean())
    assert chosen(ways, choose(ways, Wish(due=between), NOW)) == "steady"


rates = st.lists(
    st.tuples(st.floats(0.05, 5), st.floats(0.5, 90), st.integers(1, 4)), min_size=1, max_size=6
)


@settings(deadline=None)
@given(rates, st.none() | st.floats(10, 3000), st.none() | st.floats(0.01, 5))
def test_the_choice_is_the_best_of_those_that_keep_the_wishes(
    pools: list[tuple[float, float, int]], seconds: float | None, budget: float | None
) -> None:
    ways = ways_on(*(
        pool(str(i), rate, price, machine=n, count=n, gang_share=0.05)
        for i, (rate, price, n) in enumerate(pools)
    ))  # fmt: skip
    wish = Wish(None if seconds is None else NOW + seconds, budget)
    kept, choice = keeps(ways, wish, NOW), choose(ways, wish, NOW)
    assert (choice is None) == (not kept.any())
    if choice is not None:
        key = ways.p50_seconds if choice.reason == Reason.FASTEST else ways.expected_usd
        assert kept[choice.way]
        assert key[choice.way] == key[kept].min()


@settings(deadline=None)
@given(rates)
def test_the_front_is_what_nothing_beats(pools: list[tuple[float, float, int]]) -> None:
    ways = ways_on(*(
        pool(str(i), rate, price, machine=n, count=n, gang_share=0.05)
        for i, (rate, price, n) in enumerate(pools)
    ))  # fmt: skip
    found = front(ways, ways.able).tolist()
    figures = list(zip(ways.p50_usd.tolist(), ways.p50_seconds.tolist(), strict=True))
    beaten = {
        i for i, one in enumerate(figures)
        if any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in figures)
    }  # fmt: skip
    assert not beaten & set(found)
    assert {figures[i] for i in found} == {f for i, f in enumerate(figures) if i not in beaten}
    assert [figures[i] for i in found] == sorted(figures[i] for i in found)
