"""A plan fits, computes as little as it may, and says so where nothing fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.engine.extractor import chain
from farm.engine.planner import SAFETY, Demand, Net, plan
from farm.errors import TooLarge

VGG = chain(((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,)))
SMALL = chain(((32, 32), (64, 64), (128, 128), (160,)))
WIDE = Net(VGG, ["conv4_2"], width=2)
NARROW = Net(SMALL, ["conv3_2"], width=2)
GB = 1e9


def test_what_is_known_of_vgg() -> None:
    assert WIDE.halo == 80
    assert WIDE.work * 4 / 1e6 == pytest.approx(
        1.44, rel=0.02
    )  # MFLOP per pixel and iteration, untiled
    assert WIDE.maps == 12 + 2 * (2 * 64 + 2 * 128 / 4 + 4 * 256 / 16 + 4 * 512 / 64 + 512 / 256)
    assert WIDE.features == 2 * 512 / 64


def test_a_picture_that_fits_is_not_cut() -> None:
    found = plan(Demand(1000, 1400), WIDE, 24 * GB)
    assert (found.tile, found.keep, found.recompute) == (None, 1, False)
    assert found.work < 1.1


def test_an_a0_print_fits_on_a_card_of_24_gb() -> None:
    found = plan(Demand(14043, 9933), WIDE, 24 * GB)
    assert found.tile is not None
    assert found.tile >= 512
    assert found.work < 2.7
    assert found.bytes <= 24 * GB * SAFETY


def test_what_grows_with_the_picture_is_the_state_and_the_content() -> None:
    one, four = (plan(Demand(side, side), NARROW, 60 * GB, tile=512).bytes for side in (2048, 8192))
    small, large = (
        plan(Demand(side, side), NARROW, (0.75 if side == 2048 else 3.8) * GB, tile=512)
        for side in (2048, 8192)
    )
    assert small.recompute
    assert large.recompute
    assert (large.bytes - small.bytes) / (8192**2 - 2048**2) < 48
    assert one < four


def test_masks_and_neighbours_take_room() -> None:
    alone = plan(Demand(2000, 2000), NARROW, 20 * GB, tile=512).bytes
    assert plan(Demand(2000, 2000, masks=2), NARROW, 20 * GB, tile=512).bytes > alone
    assert plan(Demand(2000, 2000, shared=True), NARROW, 20 * GB, tile=512).bytes > alone


@given(
    height=st.integers(64, 20_000), width=st.integers(64, 20_000), free=st.floats(0.5, 100),
    state=st.sampled_from([30, 12 * 23]), wide=st.booleans(),
)  # fmt: skip
def test_a_plan_keeps_within_the_memory_and_more_memory_is_never_worse(
    height: int, width: int, free: float, state: int, wide: bool
) -> None:
    net, demand = WIDE if wide else NARROW, Demand(height, width, state)
    try:
        found = plan(demand, net, free * GB)
    except TooLarge:
        with pytest.raises(TooLarge, match=f"{width}×{height} pixels need .* GB"):
            plan(demand, net, free * GB)
        return
    assert 0 < found.bytes <= free * GB * SAFETY
    assert found.keep >= 1
    assert found.work >= 1
    assert plan(demand, net, 2 * free * GB).work <= found.work


def test_a_tile_that_was_asked_for_is_taken_or_refused() -> None:
    assert plan(Demand(4000, 4000), NARROW, 24 * GB, tile=300).tile == 300
    with pytest.raises(TooLarge, match="order a smaller print"):
        plan(Demand(4000, 4000), WIDE, 2 * GB, tile=4000)


def test_a_plan_reads_well() -> None:
    text = str(plan(Demand(4000, 4000), NARROW, 24 * GB, tile=512))
    assert text.startswith("tiles of 512 px, ")
    assert "GB" in text
