"""The shaper loses no light, and is the sRGB curve wherever that will do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.imaging.colour import to_linear, to_srgb
from farm.imaging.picture import Array
from farm.imaging.shaper import KNEE, Shaper

repeatable = settings(deadline=None, derandomize=True, max_examples=60)
peaks = st.one_of(st.just(1.0), st.floats(1, 65504, width=16), st.floats(1, 1.5, width=32))


def array(*values: float) -> Array:
    return np.array(values, np.float32)


def halves(peak: float) -> Array:
    """Every half from 0 to the peak."""
    every = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    return every[every <= peak]


@repeatable
@given(peaks)
def test_every_half_up_to_the_peak_comes_back_exactly(peak: float) -> None:
    light = halves(peak)
    back = Shaper(peak).light(Shaper(peak).shaped(light))
    assert np.array_equal(back.astype(np.float16), light.astype(np.float16))


@repeatable
@given(st.floats(1, float(np.float32(3.4e38)), width=32), st.data())
def test_floats_come_back_within_five_parts_in_100000(peak: float, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.floats(0, peak, width=32), min_size=1, max_size=20))
    light = np.array([*drawn, peak], np.float32)
    back = Shaper(peak).light(Shaper(peak).shaped(light))
    assert np.abs(back / light.clip(1e-30) - np.sign(light))[light > 1e-30].max() < 5e-5
    assert (back[light <= 1e-30] <= 2e-30).all()


@repeatable
@given(peaks)
def test_the_curve_rises_from_0_to_1(peak: float) -> None:
    light = halves(peak)
    shaped = Shaper(peak).shaped(light)
    assert (np.diff(shaped) > 0).all()
    assert shaped[0] == 0
    assert Shaper(peak).shaped(array(peak))[0] == pytest.approx(1, abs=2e-7)


@repeatable
@given(peaks)
def test_value_and_slope_are_continuous_at_the_knee(peak: float) -> None:
    knee = float(to_linear(np.array(KNEE, np.float32)))
    step = 2.0**-8
    below, at, above = Shaper(peak).shaped(array(knee - step, knee, knee + step))
    srgb = to_srgb(array(knee - step, knee, knee + step))
    assert [below, at] == pytest.approx(srgb[:2].tolist(), abs=1e-7)
    # A shoulder of rate r leaves sRGB by r·d²/2 at a distance of d.
    distance = float(srgb[2] - srgb[1])
    assert 0 <= srgb[2] - above + 2e-7 <= 33 * distance**2 / 2 + 4e-7


def test_below_the_knee_nothing_changes() -> None:
    dark = np.linspace(0, 0.52, 500, dtype=np.float32)
    assert np.array_equal(Shaper(5000).shaped(dark), to_srgb(dark))


@pytest.mark.parametrize("peak", [0.0, 0.4, 1.0])
def test_a_picture_without_highlights_has_the_srgb_curve(peak: float) -> None:
    light = np.linspace(0, 1, 1001, dtype=np.float32)
    shaper = Shaper(peak)
    assert np.array_equal(shaper.shaped(light), to_srgb(light))
    assert np.array_equal(shaper.light(light), to_linear(light))
    assert np.array_equal(shaper.display(light), light)


def test_a_peak_just_over_1_changes_next_to_nothing() -> None:
    light = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(Shaper(1.0001).shaped(light) - to_srgb(light)).max() < 5e-5


@repeatable
@given(peaks)
def test_on_a_display_white_is_light_1_and_over(peak: float) -> None:
    shaper = Shaper(peak)
    light = halves(peak)
    seen = shaper.display(shaper.shaped(light))
    assert np.abs(seen - to_srgb(np.minimum(light, 1))).max() < 2e-6


def test_negative_light_is_clipped_and_nothing_leaves_the_range() -> None:
    shaper = Shaper(8)
    assert shaper.shaped(array(-3, 0, 9)).tolist() == [0, 0, 1]
    assert shaper.light(array(-1, 0, 1, 2)).tolist() == [0, 0, 8, 8]
