"""The router keeps deadlines and budgets, never picks a dominated pool, and explains itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import InvalidInput, Refused, Unavailable
from farm.route import Accelerator, Pool, Speed, decide, footprint, quote
from farm.route.accelerator import Preemption
from farm.route.board import Board
from farm.spec import Option, Routing

NOW = 1_800_000_000.0
WORK = footprint([(1000, 1000, 100)], "x")


def pool(name: str, rate: float, price: float, **changes: object) -> Pool:
    """A pool that does WORK in 100 / rate seconds."""
    speed = Speed(rate_inf=rate, p_half=0, measured_at=NOW)
    accelerator = Accelerator(
        name=f"{name}-card", kind="cuda", speeds={"x": speed}, memory_gb=8, usd_per_hour=price,
        checkpoint_seconds=0, startup_seconds=0,
    )  # fmt: skip
    return Pool(name=name, accelerator=accelerator).model_copy(update=changes)


SLOW = pool("slow", 0.1, 3.6)  # 1000 s, $1.00; at p90 1150 s, $1.15
FAST = pool("fast", 1.0, 72.0)  # 100 s, $2.00; at p90 115 s, $2.30


def wishes(seconds: float | None = None, budget: float | None = None, spot: bool = True) -> Routing:
    deadline = None if seconds is None else datetime.fromtimestamp(NOW + seconds, UTC)
    return Routing(deadline=deadline, budget_usd=budget, spot=spot)


def test_without_wishes_the_cheapest_is_chosen() -> None:
    decision = decide(WORK, [FAST, SLOW], wishes(), NOW)
    assert decision.chosen.pool == "slow"
    assert decision.chosen.p50_usd == pytest.approx(1.0)
    assert [option.pool for option in decision.alternatives] == ["fast"]
    assert decision.reason == "cheapest, before fast ($2.00): about 17 min and $1.00."


def test_a_deadline_buys_speed_only_when_needed() -> None:
    assert decide(WORK, [SLOW, FAST], wishes(seconds=1151), NOW).chosen.pool == "slow"
    tight = decide(WORK, [SLOW, FAST], wishes(seconds=1149), NOW)
    assert tight.chosen.pool == "fast"
    assert not tight.alternatives[0].feasible
    assert tight.alternatives[0].note == "misses the deadline"
    assert "to spare before the deadline" in tight.reason


def test_a_budget_alone_buys_the_fastest_within_it() -> None:
    assert decide(WORK, [SLOW, FAST], wishes(budget=2.31), NOW).chosen.pool == "fast"
    tight = decide(WORK, [SLOW, FAST], wishes(budget=2.29), NOW)
    assert tight.chosen.pool == "slow"
    assert tight.alternatives[0].note == "over the budget"


def test_an_impossible_deadline_names_the_soonest_that_is_possible() -> None:
    with pytest.raises(Refused, match=r"^routing\.deadline: .*soonest is .* on fast") as caught:
        decide(WORK, [SLOW, FAST], wishes(seconds=60), NOW)
    found = re.search(r"soonest is (\S+)", caught.value.message)
    assert found
    due = datetime.fromisoformat(found[1])
    assert decide(WORK, [SLOW, FAST], Routing(deadline=due), NOW).chosen.pool == "fast"


def test_the_soonest_that_is_named_is_within_the_budget() -> None:
    with pytest.raises(Refused, match=r"^routing\.deadline: .* on slow for \$1\.15"):
        decide(WORK, [SLOW, FAST], wishes(seconds=60, budget=1.5), NOW)


def test_an_impossible_budget_names_one_that_is_enough() -> None:
    with pytest.raises(Refused, match=r"^routing\.budget_usd: \$0\.50 .*up to \$1\.15 on slow"):
        decide(WORK, [SLOW, FAST], wishes(budget=0.5), NOW)
    assert decide(WORK, [SLOW, FAST], wishes(budget=1.16), NOW).chosen.pool == "slow"


def test_a_deadline_and_a_budget_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(Refused, match=r"^routing\.budget_usd: .*in time costs up to \$2\.30 on fast"):
        decide(WORK, [SLOW, FAST], wishes(seconds=200, budget=1.5), NOW)


def test_a_deadline_without_offset_is_invalid() -> None:
    with pytest.raises(InvalidInput, match=r"^routing\.deadline: .*\+00:00"):
        decide(WORK, [SLOW], Routing(deadline=datetime(2030, 1, 1)), NOW)


@pytest.mark.parametrize(
    ("unfit", "routing", "note"),
    [
        pytest.param(pool("cheap", 9, 1, count=0), wishes(), "no accelerator", id="empty pool"),
        pytest.param(pool("cheap", 9, 1, market="spot"), wishes(spot=False), "excludes", id="spot"),
    ],
)
def test_a_pool_that_cannot_take_the_job_is_only_an_alternative(
    unfit: Pool, routing: Routing, note: str
) -> None:
    decision = decide(WORK, [unfit, SLOW], routing, NOW)
    assert decision.chosen.pool == "slow"
    assert decision.reason.startswith("only slow can take it")
    assert note in decision.alternatives[0].note
    with pytest.raises(Refused, match=note):
        decide(WORK, [unfit], routing, NOW)


def test_a_picture_larger_than_the_memory_is_refused() -> None:
    with pytest.raises(Refused, match=r"slow: needs 14\.4 GB, has 8\.0 GB"):
        decide(footprint([(20_000, 20_000, 1)], "x"), [SLOW], wishes(), NOW)


def test_no_pool_at_all_is_refused() -> None:
    with pytest.raises(Refused, match="farm up"):
        decide(WORK, [], wishes(), NOW)


def test_the_three_best_on_other_pools_are_named_with_what_stands_against_them() -> None:
    dear = [pool(f"dear-{price}", 1.0, price) for price in (90, 80, 100)]
    hopeless = [pool("small", 1.0, 1.0, count=0), pool("risky", 1.0, 1.0, market="spot")]
    decision = decide(WORK, [*hopeless, *dear, SLOW, FAST], wishes(seconds=500, spot=False), NOW)
    assert decision.chosen.pool == "fast"
    assert [one.pool for one in decision.alternatives] == ["dear-80", "dear-90", "dear-100"]
    few = decide(WORK, [hopeless[1], FAST, SLOW], wishes(seconds=500, spot=False), NOW)
    assert [(one.pool, one.feasible) for one in few.alternatives] == [("slow", False), ("risky", False)]
    assert "misses the deadline" in few.alternatives[0].note


def test_the_front_holds_what_is_cheaper_or_sooner_gangs_included() -> None:
    machine = SLOW.accelerator.model_copy(update={"gang_share": 0.1})
    gangs = SLOW.model_copy(update={"machine": 4, "count": 4, "accelerator": machine})
    decision = decide(WORK, [FAST, gangs, pool("worse", 0.1, 9.0)], wishes(), NOW)
    assert [(one.pool, one.devices) for one in decision.front] == [
        ("slow", 1), ("slow", 2), ("slow", 4), ("fast", 1),
    ]  # fmt: skip
    assert decision.front[0] == decision.chosen
    prices = [one.p50_usd for one in decision.front]
    assert prices == sorted(prices)


def test_a_gang_is_chosen_for_a_deadline_and_named() -> None:
    machine = SLOW.model_copy(update={"machine": 2, "count": 2})
    decision = decide(WORK, [machine], wishes(seconds=600), NOW)
    assert decision.chosen.devices == 2
    assert decision.chosen.p50_seconds == pytest.approx(500)
    assert "on 2 devices" in decision.reason
    with pytest.raises(Refused, match=r"soonest is .* on 2 devices of slow"):
        decide(WORK, [machine], wishes(seconds=60), NOW)
    alone = decide(WORK, [machine], wishes(), NOW, devices=1)
    assert alone.chosen.devices == 1
    with pytest.raises(Refused, match="slow: 3 devices are asked for, a machine there has 2"):
        decide(WORK, [machine], wishes(), NOW, devices=3)


def test_a_refusal_names_a_few_pools_and_counts_the_others() -> None:
    with pytest.raises(Refused, match=r"p0: no accelerator.*p4: .*; and 5 more\)"):
        decide(WORK, [pool(f"p{i}", 1, 1, count=0) for i in range(10)], wishes(), NOW)


def test_a_refusal_speaks_of_one_device_where_no_gang_was_asked_for() -> None:
    machine = SLOW.model_copy(update={"machine": 4, "count": 2})
    with pytest.raises(Refused, match=r"\(slow: needs 57\.6 GB, has 8\.0 GB\)"):
        decide(footprint([(40_000, 40_000, 1)], "x"), [machine], wishes(), NOW)


def test_an_extractor_that_only_some_pools_know() -> None:
    other = pool("other", 9.0, 1.0)
    other = other.model_copy(
        update={"accelerator": other.accelerator.model_copy(update={"speeds": {}})}
    )
    decision = decide(WORK, [other, SLOW], wishes(), NOW)
    assert decision.chosen.pool == "slow"
    assert decision.alternatives[0].note.startswith("no speed of 'x' is known there")
    with pytest.raises(Unavailable, match=r"^quality\.extractor: no speed of 'x'"):
        decide(WORK, [other], wishes(), NOW)


def test_spot_capacity_says_so_and_how_often_to_keep_its_state() -> None:
    spot = pool("s", 1.0, 9.0, market="spot", region="eu", preemption=Preemption(events=1, hours=8))
    state = spot.accelerator.model_copy(update={"checkpoint_seconds": 2.0})
    decision = decide(WORK, [spot.model_copy(update={"accelerator": state})], wishes(), NOW)
    assert (decision.chosen.market, decision.chosen.region) == ("spot", "eu")
    assert decision.chosen.checkpoint_seconds == pytest.approx((2 * 2.0 * 8 * 3600) ** 0.5)


def test_many_jobs_are_decided_on_a_board_that_was_made_once() -> None:
    board = Board.of([SLOW, FAST])
    assert decide(WORK, board, wishes(), NOW) == decide(WORK, [SLOW, FAST], wishes(), NOW)


def test_a_quote_carries_the_work_and_the_decision() -> None:
    answer = quote(WORK, [SLOW], wishes(), NOW)
    assert (answer.width, answer.height, answer.iterations) == (1000, 1000, 100)
    assert answer.megapixel_iterations == pytest.approx(100)
    assert answer.decision.chosen.pool == "slow"


def figures(option: Option) -> tuple[float, ...]:
    return option.p50_usd, option.p50_seconds, option.p90_usd, option.p90_seconds


@settings(deadline=None)
@given(
    pools=st.lists(st.tuples(st.sampled_from([0.1, 1, 3]), st.sampled_from([1, 9, 30])), min_size=1),
    seconds=st.none() | st.floats(30, 2000),
    budget=st.none() | st.floats(0.01, 3),
)
def test_the_chosen_one_is_never_dominated(
    pools: list[tuple[float, float]], seconds: float | None, budget: float | None
) -> None:
    offered = [pool(str(index), *figure) for index, figure in enumerate(pools)]
    try:
        decision = decide(WORK, offered, wishes(seconds, budget), NOW)
    except Refused:
        late = seconds is not None
        assert late or budget is not None
        return
    chosen = figures(decision.chosen)
    assert seconds is None or decision.chosen.p90_seconds <= seconds + 1e-3
    assert budget is None or decision.chosen.p90_usd <= budget
    assert len(decision.alternatives) == min(3, len(pools) - 1)
    for other in map(figures, decision.alternatives):
        assert not (other != chosen and all(b <= a for a, b in zip(chosen, other, strict=True)))
