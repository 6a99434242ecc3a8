"""Whatever happens to the market, nothing is lost, paid twice or spent beyond a cap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from route_cases import pool, spot, work
from simulate_cases import NEVER, Order, loop, trace

from farm.route.simulate.comparison import POLICIES
from farm.route.simulate.trace import Change, Trace

WORKS = {"frame": work(30), "short": work(300), "long": work(4000)}
POOLS = (
    spot("cheap", 1.0, 1.0, every_hours=3, count=3, boot_seconds=60, checkpoint_seconds=3),
    spot("quick", 3.0, 4.0, every_hours=10, count=2, machine=2, checkpoint_seconds=1),
    pool("sure", rate=1.0, price=4.0, count=2, boot_seconds=120, startup_seconds=10),
    pool("large", rate=5.0, price=30.0, count=4, machine=4, startup_seconds=5),
)
HOURS = st.floats(0, 4 * 3600, allow_nan=False).map(lambda value: round(value, 1))


@st.composite
def orders(draw: st.DrawFn) -> Order:
    at = draw(HOURS)
    due = draw(st.just(NEVER) | st.floats(20, 9000).map(lambda value: at + value))
    budget = draw(st.just(NEVER) | st.floats(0.01, 8))
    name = draw(st.sampled_from(sorted(WORKS)))
    return Order(at, name, due, budget, draw(st.booleans()), draw(st.integers(0, 2)))


@st.composite
def changes(draw: st.DrawFn) -> Change:
    fields: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={
        "usd_per_hour": st.floats(0.1, 60), "count": st.integers(0, 4),
        "preemptions_per_hour": st.floats(0, 20),
    }))  # fmt: skip
    return Change(draw(HOURS), draw(st.integers(0, len(POOLS) - 1)), **fields)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    ordered = sorted(draw(st.lists(orders(), min_size=1, max_size=25)), key=lambda one: one.at)
    upset = draw(st.lists(changes(), max_size=8))
    back = [
        Change(5 * 3600.0, i, count=one.count, preemptions_per_hour=0) for i, one in enumerate(POOLS)
    ]
    caps = draw(st.tuples(*[st.none() | st.floats(0.02, 5)] * 3))
    moments = sorted([*upset, *back], key=lambda one: one.at)
    return trace(POOLS, WORKS, ordered, moments, caps, seconds=6 * 3600.0)


@pytest.mark.parametrize("policy", list(POLICIES))
@settings(max_examples=25, deadline=None)
@given(given=traces())
def test_nothing_is_lost_or_paid_twice(policy: str, given: Trace) -> None:
    simulation = loop(given, policy, even=False)
    record = simulation.run()
    done, ats = np.isfinite(record.ended), given.orders.at
    assert (done ^ record.parked == record.admitted).all()
    assert not (done & record.parked).any()
    assert (record.began[done] >= ats[done]).all()
    assert (record.ended[done] > record.began[done]).all()
    assert record.usd.min() >= 0
    assert record.usd.sum() == pytest.approx(sum(record.spent))
    for site in simulation.world.sites:
        assert (site.busy, site.running, site.head(), site.queued) == (0, [], None, 0.0)
        assert site.until == pytest.approx(0, abs=1e-3)
    busy = np.array(record.samples.busy)
    assert (busy[:, :2] <= np.array(record.samples.there)[:, :2]).all()


@settings(max_examples=60, deadline=None)
@given(given=traces())
def test_a_cap_is_passed_by_no_more_than_a_checkpoint_interval_of_one_job(given: Trace) -> None:
    record = loop(given, even=False).run()
    for project, spent, interval in zip(
        given.projects, record.spent, record.dearest_interval_usd, strict=True
    ):
        assert project.cap_usd is None or spent <= project.cap_usd + interval


@settings(max_examples=10, deadline=None)
@given(given=traces())
def test_the_same_trace_ends_in_the_same_way(given: Trace) -> None:
    one, other = (loop(given, even=False).run() for _ in range(2))
    assert (one.ended == other.ended).all()
    assert (one.usd == other.usd).all()
    assert one.samples == other.samples
