"""Quotes get better with every run, and no single run does harm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.route.accelerator import Accelerator, Pool, Preemption, Speed
from farm.route.footprint import footprint
from farm.route.learning import ASSUMED, ENOUGH, FURTHEST, corrected, follow, preemption, speed, startup
from farm.route.observed import LEAST_SECONDS, pace
from farm.route.options import estimate
from farm.spec.cost import Exposure, Pace

ASSUMED_SPEED = Speed(rate_inf=2.0, p_half=0.1)
MEASURED = Speed(rate_inf=2.0, p_half=0.1, spread=0.02, measured_at=1.0)
WORK = footprint([(500, 400, 100), (1000, 800, 50)], "x")


def pool(known: Speed = MEASURED, share: float = 0.0, **changes: object) -> Pool:
    machine = Accelerator(
        name="card", kind="cuda", speeds={"x": known}, memory_gb=80, usd_per_hour=3.6,
        startup_seconds=10, checkpoint_seconds=0, gang_share=share,
    )  # fmt: skip
    return Pool(name="cards", accelerator=machine, machine=8, count=8, **changes)


def run(rate: float, beside: float | None = None) -> Pace:
    return Pace(megapixel_iterations=10.0, seconds=10.0, rate=rate, beside=beside)


def runs(*rates: float) -> list[tuple[float, Pace]]:
    return [(float(index), run(rate)) for index, rate in enumerate(rates)]


def test_nothing_seen_changes_nothing() -> None:
    assert corrected(pool(), {}, [], 0.0) == pool()
    assert speed(MEASURED, []) is MEASURED


def test_runs_that_agree_with_the_catalogue_leave_it_alone() -> None:
    found = speed(MEASURED, runs(*[2.0] * 20))
    assert found.rate_inf == pytest.approx(2.0)
    assert found.spread is not None
    assert found.spread <= 0.05


@pytest.mark.parametrize("truth", [0.2, 0.5, 1.0, 1.6, 2.6, 6.0])
def test_runs_that_agree_with_each_other_are_believed(truth: float) -> None:
    assert speed(ASSUMED_SPEED, runs(*[truth] * 10)).rate_inf == pytest.approx(truth, rel=0.05)
    assert speed(MEASURED, runs(*[truth] * 30)).rate_inf == pytest.approx(truth, rel=0.05)


@given(st.floats(1e-3, 1e3), st.integers(0, 20))
def test_a_freak_run_moves_a_measured_speed_by_less_than_a_tenth(freak: float, place: int) -> None:
    calm = runs(*[2.0] * 20)
    wild = [*calm[:place], (place - 0.5, run(freak)), *calm[place:]]
    moved = speed(MEASURED, wild).rate_inf / speed(MEASURED, calm).rate_inf
    assert 0.9 < moved < 1.1
    first = speed(MEASURED, runs(freak)).rate_inf
    assert 2.0 / 1.1 < first < 2.0 * 1.1


def test_what_differs_from_run_to_run_widens_the_quote() -> None:
    calm, noisy = (
        speed(MEASURED, runs(*(2.0 * math.exp(size * (-1) ** index) for index in range(20))))
        for size in (0.01, 0.3)
    )
    work = pool(noisy)
    assert noisy.rate_inf == pytest.approx(2.0, rel=0.1)
    wide, narrow = estimate(WORK, work), estimate(WORK, pool(calm))
    assert wide.p90_seconds / wide.p50_seconds > narrow.p90_seconds / narrow.p50_seconds > 1.1


def test_the_newest_runs_count_most() -> None:
    assert speed(MEASURED, runs(*[2.0] * 30, *[3.0] * 15)).rate_inf == pytest.approx(3.0, rel=0.08)


def test_an_assumed_speed_counts_as_measured_after_a_few_runs() -> None:
    assert not speed(ASSUMED_SPEED, runs(*[2.0] * (ENOUGH - 1))).calibrated
    found = speed(ASSUMED_SPEED, runs(*[2.0] * ENOUGH))
    assert found.calibrated
    assert found.source == f"corrected by {ENOUGH} runs"
    assert estimate(WORK, pool(found)).note == ""


def test_no_number_of_runs_carries_a_speed_beyond_belief() -> None:
    assert follow([1e6] * 500, ASSUMED).mean == pytest.approx(FURTHEST)


def test_start_ups_are_learnt_from_whole_runs_only() -> None:
    assert startup(10.0, [run(2.0)] * 5) == 10.0
    assert startup(10.0, [run(2.0, beside=4.0)] * 10) == pytest.approx(4.0, rel=0.1)
    assert startup(0.0, [run(2.0, beside=3.0)] * 20) == pytest.approx(3.0, rel=0.05)
    found = corrected(pool(), {"x": [(1.0, run(2.0, beside=4.0))] * 10}, [], 0.0)
    assert found.accelerator.startup_seconds == pytest.approx(4.0, rel=0.1)


def test_preemptions_update_the_posterior_and_old_ones_fade() -> None:
    prior = Preemption(events=1.0, hours=20.0)
    new = Exposure(pool="cards", day=100, hours=10.0, preemptions=3)
    assert preemption(prior, [new], 100) == Preemption(events=4.0, hours=30.0)
    assert preemption(prior, [new], 114) == Preemption(events=2.5, hours=25.0)
    assert preemption(prior, [new], 90) == Preemption(events=4.0, hours=30.0)
    spot = pool(market="spot", preemption=prior)
    assert corrected(spot, {}, [new], 100.0).preemption == Preemption(events=4.0, hours=30.0)
    assert corrected(pool(), {}, [new], 100.0).preemption is None


# --- what a run says ------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_a_run_as_foretold_says_the_speed_that_it_was_foretold_with(
    devices: int, factor: float
) -> None:
    cards = pool(share=0.1)
    option = estimate(WORK, cards, devices)
    seconds = (option.p50_seconds - 10) * factor
    found = pace(WORK, cards, devices, (1, 0), (2, 50), seconds)
    assert found is not None
    assert found.rate == pytest.approx(2.0 / factor)
    assert found.megapixel_iterations == pytest.approx(WORK.megapixel_iterations)


def test_a_part_of_a_run_says_the_same() -> None:
    whole = estimate(WORK, pool()).p50_seconds - 10
    first = estimate(footprint([(500, 400, 100)], "x"), pool()).p50_seconds - 10
    parts = {
        ((1, 0), (1, 50)): first / 2,
        ((1, 50), (2, 25)): whole / 2,
        ((2, 0), (2, 50)): whole - first,
    }
    for (since, until), seconds in parts.items():
        found = pace(WORK, pool(), 1, since, until, seconds)
        assert found is not None
        assert found.rate == pytest.approx(2.0)


def test_what_a_run_says_does_not_depend_on_what_was_believed() -> None:
    believed = pool(MEASURED.model_copy(update={"rate_inf": 5.0}))
    one, other = (pace(WORK, each, 1, (1, 10), (2, 40), 20.0) for each in (pool(), believed))
    assert one is not None
    assert other is not None
    assert one.rate == pytest.approx(other.rate)


def test_too_short_a_look_says_nothing() -> None:
    assert pace(WORK, pool(), 1, (1, 0), (1, 50), LEAST_SECONDS / 2) is None
    assert pace(WORK, pool(), 1, (2, 10), (2, 10), 60.0) is None
    assert pace(WORK, pool(), 1, (2, 10), (1, 10), 60.0) is None
    assert pace(footprint([(9, 9, 9)], "unknown"), pool(), 1, (1, 0), (1, 9), 60.0) is None
