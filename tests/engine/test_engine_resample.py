"""Resampling: torch's antialiased kernels, from any rows, with the same bits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_cases import few, noise
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from farm.engine.resample import resample, resample_rows, source_rows

KINDS = ("bicubic", "bilinear")
SIZES = [
    (37, 53, 52, 75),
    (100, 80, 31, 17),
    (5, 7, 50, 3),
    (1, 1, 4, 4),
    (60, 40, 1, 1),
    (9, 9, 9, 20),
]
sizes = st.integers(1, 40)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width", "to_height", "to_width"), SIZES)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_it_is_what_torch_gives(
    kind: str, height: int, width: int, to_height: int, to_width: int, dtype: torch.dtype, error: float
) -> None:
    picture = noise(1, 3, height, width).to(dtype)
    found = resample(picture, to_height, to_width, kind=kind)
    wanted = interpolate(picture, (to_height, to_width), mode=kind, antialias=True)
    assert found.dtype == dtype
    assert (found - wanted).abs().max() < error


def test_enlarging_takes_the_antialiased_kernel_too() -> None:
    picture = noise(1, 1, 8, 8)
    plain = interpolate(picture, (16, 16), mode="bicubic", antialias=False)
    assert (resample(picture, 16, 16) - plain).abs().max() > 0.01


def test_long_lines_keep_their_precision() -> None:
    """torch's own float32 result is off by 1e-4 here."""
    picture = noise(1, 1, 3000, 2)
    wanted = interpolate(picture, (2100, 2), mode="bicubic", antialias=True)
    assert (resample(picture.float(), 2100, 2) - wanted).abs().max() < 5e-7


@few
@given(sizes, sizes, st.data(), st.sampled_from(KINDS), st.sampled_from([torch.float32, torch.float16]))
def test_any_rows_come_out_with_the_same_bits(
    height: int, to_height: int, data: st.DataObject, kind: str, dtype: torch.dtype
) -> None:
    picture = noise(1, 2, height, 11).to(dtype)
    whole = resample(picture, to_height, 7, kind=kind)
    top, bottom = sorted(data.draw(st.tuples(*[st.integers(0, to_height)] * 2)))
    first, end = source_rows(height, to_height, top, bottom)
    found = resample_rows(picture[:, :, first:end], first, height, to_height, 7, top, bottom, kind=kind)
    assert torch.equal(found, whole[:, :, top:bottom])


def test_blocks_of_rows_do_not_show() -> None:
    picture = noise(1, 1, 150, 5, dtype=torch.float32)
    whole = resample(picture, 300, 8)
    for top in (0, 1, 63, 64, 130):
        assert torch.equal(resample_rows(picture, 0, 150, 300, 8, top, 300), whole[:, :, top:])


@few
@given(sizes, sizes, st.data())
def test_source_rows_are_those_that_count(height: int, to_height: int, data: st.DataObject) -> None:
    """The first and the last of them have an influence, and nothing outside has."""
    top = data.draw(st.integers(0, to_height - 1))
    bottom = data.draw(st.integers(top + 1, to_height))
    first, end = source_rows(height, to_height, top, bottom)
    assert 0 <= first < end <= height
    impulses = torch.eye(height, dtype=torch.float64).view(height, 1, height, 1)
    answers = torch.cat([resample(one[None], to_height, 1)[:, :, top:bottom] for one in impulses], 1)
    seen = [row for row in range(height) if answers[0, row].abs().max() > 1e-12]
    assert min(seen) >= first
    assert max(seen) < end
    # Where the grids meet, kernels are zero one and two pixels from their middle.
    assert min(seen) <= first + 2
    assert max(seen) >= end - 3


def test_halves_are_summed_as_floats() -> None:
    picture = noise(1, 3, 20, 30).half()
    found = resample(picture, 33, 41)
    assert torch.equal(found, resample(picture.float(), 33, 41).half())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_equal_sizes_give_a_copy(dtype: torch.dtype) -> None:
    picture = noise(1, 3, 70, 6).to(dtype)
    found = resample(picture, 70, 6)
    assert torch.equal(found, picture)
    assert found.data_ptr() != picture.data_ptr()
    rows = resample_rows(picture[:, :, 2:9], 2, 70, 70, 6, 3, 8)
    assert torch.equal(rows, picture[:, :, 3:8])


@few
@given(sizes, sizes)
def test_bilinear_stays_within_what_it_is_given(height: int, to_height: int) -> None:
    picture = (noise(1, 1, height, 9, dtype=torch.float32) > 0.5).float()
    found = resample(picture, to_height, 13, kind="bilinear")
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


def test_a_picture_of_one_colour_stays_so() -> None:
    for size in (3, 9, 40):
        assert (resample(torch.full((1, 3, 20, 17), 0.3), size, size) - 0.3).abs().max() < 1e-6


def test_no_rows_are_none() -> None:
    assert source_rows(10, 14, 4, 4) == (0, 0)
    assert resample_rows(torch.zeros(1, 3, 0, 9), 0, 10, 14, 12, 4, 4).shape == (1, 3, 0, 12)


class Largest(TorchFunctionMode):
    """The most values that any operation brings forth beside the result."""

    def __init__(self, result: int) -> None:
        super().__init__()
        self.values, self._result = 0, result

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, Tensor) and found._base is None and found.numel() != self._result:
            self.values = max(self.values, found.numel())
        return found


@pytest.mark.parametrize(("height", "to_height"), [(100, 800), (2000, 800)])
def test_temporaries_do_not_grow_with_the_picture(height: int, to_height: int) -> None:
    picture = noise(1, 3, height, 40, dtype=torch.float32)
    with Largest(3 * to_height * 56) as largest:
        resample(picture, to_height, 56)
    assert largest.values == 3 * 64 * 56


@pytest.mark.parametrize(
    ("source", "rows", "kind", "words"),
    [
        pytest.param((0, 10), (0, 14), "nearest", "bicubic, bilinear", id="kind"),
        pytest.param((1, 9), (0, 3), "bicubic", "need source rows", id="rows above"),
        pytest.param((0, 5), (0, 14), "bicubic", "need source rows", id="rows below"),
        pytest.param((0, 10), (5, 15), "bicubic", "has no rows 5 to 15", id="beyond the picture"),
    ],
)
def test_what_cannot_be_is_an_error(
    source: tuple[int, int], rows: tuple[int, int], kind: str, words: str
) -> None:
    part = torch.zeros(1, 1, source[1] - source[0], 6)
    with pytest.raises(ValueError, match=words):
        resample_rows(part, source[0], 10, 14, 8, *rows, kind=kind)
