"""The router keeps deadlines and budgets, never picks a dominated pool, and explains itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import InvalidInput, Refused
from farm.route import Accelerator, Pool, Speed, decide, footprint, quote
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


def test_a_quote_carries_the_work_and_the_decision() -> None:
    answer = quote(WORK, [SLOW], wishes(), NOW)
    assert (answer.width, answer.height, answer.iterations) == (1000, 1000, 100)
    assert answer.megapixel_iterations == pytest.approx(100)
    assert answer.decision.chosen.pool == "slow"


def figures(option: Option) -> tuple[float, ...]:
    return option.p50_usd, option.p50_seconds, option.p90_usd, option.p90_seconds


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
