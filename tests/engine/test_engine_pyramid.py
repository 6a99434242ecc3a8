"""The sizes a print goes through."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.engine.pyramid import PRESETS, plan_scales, work

sizes = st.integers(1, 12000)
presets = st.sampled_from(sorted(PRESETS))


@given(width=sizes, height=sizes, preset=presets)
def test_scales_end_at_the_size_asked_for(width: int, height: int, preset: str) -> None:
    last = plan_scales(width, height, preset)[-1]
    assert (last.width, last.height) == (width, height)


@given(width=sizes, height=sizes, preset=presets)
def test_scales_grow_by_the_square_root_of_two(width: int, height: int, preset: str) -> None:
    scales = plan_scales(width, height, preset)
    for small, large in pairwise(scales):
        assert large.width == pytest.approx(small.width * math.sqrt(2), abs=1.3)
        assert large.height == pytest.approx(small.height * math.sqrt(2), abs=1.3)
    first = max(scales[0].width, scales[0].height)
    assert min(scales[0].width, scales[0].height) >= 1
    assert first <= PRESETS[preset].start * 2**0.25 + 1
    assert len(scales) == 1 or first >= PRESETS[preset].start * 2**-0.25 - 1


@given(width=sizes, height=sizes, preset=presets)
def test_iterations_fall_with_the_pixels(width: int, height: int, preset: str) -> None:
    scales = plan_scales(width, height, preset)
    first = PRESETS[preset].first
    assert scales[0].iterations <= 1.2 * first + 1
    if min(scales[0].width, scales[0].height) >= 16:
        assert scales[0].iterations >= 0.8 * first
    assert all(a.iterations >= b.iterations for a, b in pairwise(scales))
    assert scales[-1].iterations >= PRESETS[preset].least


@given(width=sizes, height=sizes)
def test_a_finer_preset_is_more_work(width: int, height: int) -> None:
    draft, standard, fine = (
        work(plan_scales(width, height, name)) for name in ("draft", "standard", "fine")
    )
    assert draft < standard < fine


@given(width=st.integers(64, 6000), height=st.integers(64, 6000), preset=presets)
def test_a_picture_twice_the_size_is_more_work(width: int, height: int, preset: str) -> None:
    once = work(plan_scales(width, height, preset))
    twice = work(plan_scales(2 * width, 2 * height, preset))
    assert twice > 1.5 * once


def test_work_counts_megapixel_iterations() -> None:
    (only,) = plan_scales(200, 100, "draft")
    assert only.pixels == 20_000
    assert work((only, only)) == pytest.approx(2 * 0.02 * only.iterations)


def test_an_unknown_preset_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="lavish"):
        plan_scales(100, 100, "lavish")
