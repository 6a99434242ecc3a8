"""Work, time and price in closed form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import Unavailable
from farm.route import Accelerator, Pool, Speed, estimate, footprint, rate, seconds

MACHINE = Accelerator(
    name="m", kind="cpu", speeds={"x": Speed(rate_inf=2.0, p_half=0.5, measured_at=1.0)},
    memory_gb=8, usd_per_hour=3.6, checkpoint_seconds=0, startup_seconds=10,
)  # fmt: skip


def with_speed(**changes: float | None) -> Pool:
    speed = MACHINE.speeds["x"].model_copy(update=changes)
    return Pool(name="p", accelerator=MACHINE.model_copy(update={"speeds": {"x": speed}}))


def test_the_footprint_sums_pixels_times_iterations() -> None:
    work = footprint([(500, 1000, 100), (1000, 2000, 50)], "x")
    assert (work.width, work.height, work.iterations) == (1000, 2000, 150)
    assert work.megapixel_iterations == pytest.approx(0.5 * 100 + 2 * 50)
    assert work.gigabytes == pytest.approx(2e6 * 36 / 1e9)


def test_the_rate_is_half_at_p_half() -> None:
    speed = MACHINE.speeds["x"]
    assert rate(500_000, speed) == pytest.approx(1.0)
    assert rate(10**12, speed) == pytest.approx(2.0, rel=1e-5)


def test_seconds_in_closed_form() -> None:
    # An iteration over p megapixels takes (p + p_half) / rate_inf seconds.
    work = footprint([(500, 1000, 100), (1000, 2000, 50)], "x")
    assert seconds(work, MACHINE) == pytest.approx(100 * (0.5 + 0.5) / 2 + 50 * (2 + 0.5) / 2)


@pytest.mark.parametrize(
    ("each", "count"),
    [(0.1, 62.5 // 15), (0.6, 62.5 // 24)],  # 2 MP: 0.2 s every 15 s; 1.2 s, so every 24 s
)
def test_checkpoints_take_their_time_but_a_small_share(each: float, count: float) -> None:
    work = footprint([(1000, 2000, 50)], "x")
    machine = MACHINE.model_copy(update={"checkpoint_seconds": each})
    assert seconds(work, machine) == pytest.approx(62.5 + 2 * each * count)


def test_price_is_time_with_start_up_times_the_hourly_price() -> None:
    option = estimate(footprint([(1000, 1000, 100)], "x"), with_speed())
    assert option.p50_seconds == pytest.approx(10 + 75)
    assert option.p90_seconds == pytest.approx(85 * 1.15)
    assert option.p50_usd == pytest.approx(0.085)
    assert option.p90_usd == pytest.approx(0.085 * 1.15)
    assert option.note == ""


def test_an_assumed_speed_is_trusted_less_and_says_so() -> None:
    work = footprint([(1000, 1000, 100)], "x")
    option = estimate(work, with_speed(measured_at=None))
    assert option.p90_seconds == pytest.approx(option.p50_seconds * 1.35)
    assert "farm bench engine" in option.note


def test_noisy_measurements_widen_the_promise() -> None:
    work = footprint([(1000, 1000, 100)], "x")
    assert estimate(work, with_speed(spread=0.01)).p90_seconds == pytest.approx(85 * 1.15)
    assert estimate(work, with_speed(spread=0.5)).p90_seconds == pytest.approx(85 * (1 + 0.5 * 1.2816))


def test_an_unknown_extractor_is_one_sentence() -> None:
    with pytest.raises(Unavailable, match=r"^quality\.extractor: no speed of 'y' .*known here: x\."):
        estimate(footprint([(10, 10, 1)], "y"), with_speed())


@settings(deadline=None)
@given(
    width=st.integers(16, 20_000), height=st.integers(16, 20_000), iterations=st.integers(1, 1000),
    more=st.integers(1, 1000), rate_inf=st.floats(0.01, 100), p_half=st.floats(0, 10),
)  # fmt: skip
def test_more_pixels_or_iterations_never_cost_less(
    width: int, height: int, iterations: int, more: int, rate_inf: float, p_half: float
) -> None:
    pool = with_speed(rate_inf=rate_inf, p_half=p_half)
    base = estimate(footprint([(width, height, iterations)], "x"), pool)
    for grown in ((width + more, height, iterations), (width, height, iterations + more)):
        other = estimate(footprint([grown], "x"), pool)
        assert other.p50_seconds > base.p50_seconds
        assert other.p90_usd > base.p90_usd
