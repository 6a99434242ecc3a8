"""Every pixel is owned by one tile, and tiles fall on the stride."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.engine.tiling import Window, plan_tiling


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile=st.integers(16, 200),
    radius=st.integers(0, 90),
)
def test_cores_cover_the_picture_once_and_start_on_the_stride(
    height: int, width: int, tile: int, radius: int
) -> None:
    owners = np.zeros((height, width), int)
    tiling = plan_tiling(height, width, tile, radius=radius, stride=16)
    assert tiling.halo >= radius
    assert tiling.halo % 16 == 0
    for one in tiling:
        owners[one.core.slices] += 1
        assert one.core.top % 16 == one.core.left % 16 == 0
        assert one.span.top % 16 == one.span.left % 16 == 0
        assert one.span.top == max(0, one.core.top - tiling.halo)
        assert one.span.right == min(width, one.core.right + tiling.halo)
    assert (owners == 1).all()


def test_without_a_tile_there_is_one() -> None:
    tiling = plan_tiling(70, 300, None, radius=10, stride=16)
    assert len(list(tiling)) == 1
    assert [one.core for one in tiling] == [Window(0, 70, 0, 300)]


def test_a_tile_as_large_as_the_picture_is_single() -> None:
    assert len(list(plan_tiling(64, 64, 64, radius=1, stride=16))) == 1
    assert len(list(plan_tiling(64, 80, 64, radius=1, stride=16))) == 1, "a narrow tile is all halo"
    assert len(list(plan_tiling(64, 81, 64, radius=1, stride=16))) == 2


def test_a_tile_smaller_than_the_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="a tile of 15 px is smaller than the net's stride of 16 px"):
        plan_tiling(100, 100, 15, radius=70, stride=16)


def test_windows_coarsen_to_what_pooling_left() -> None:
    assert Window(32, 75, 0, 16).coarsened(16, 4, 4) == Window(2, 4, 0, 1)


def test_windows_move_into_their_span() -> None:
    assert Window(32, 48, 16, 20).within(Window(16, 64, 0, 36)) == Window(16, 32, 16, 20)
