"""Taken tile by tile, the loss and the gradient are those of the whole picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from engine_cases import RECIPE, few, net, noise, relative
from hypothesis import example, given
from hypothesis import strategies as st

from farm.engine.gradient import MARGIN, Evaluator, reflected
from farm.engine.objective import Objective, mask_at
from farm.engine.optimise import Recipe, Style, build_objective
from farm.engine.tiling import Tiling

EXTRACTOR = net()
LOSSES = ("covariance", "gram", "wasserstein")


def styles(kind: str, height: int, width: int) -> list[Style]:
    first, second = noise(1, 3, 60, 71, seed=1), noise(1, 3, 83, 40, seed=2) ** 2
    mask = noise(height, width, seed=3)
    return {
        "one": [Style(first)],
        "two": [Style(first, 1.0), Style(second, 2.5)],
        "masked": [Style(first, 1.0, mask), Style(second, 2.0, 1 - mask)],
        "mixed": [Style(first, 1.0, mask), Style(second, 0.5)],
    }[kind]


def objective_for(picture: torch.Tensor, kind: str, recipe: Recipe, evaluator: Evaluator) -> Objective:
    height, width = picture.shape[-2:]
    content = noise(1, 3, height, width, seed=4)
    return build_objective(content, styles(kind, height, width), evaluator, recipe)


@few
@given(
    height=st.integers(2, 130),
    width=st.integers(2, 130),
    tile=st.integers(32, 120),
    loss=st.sampled_from(LOSSES),
    kind=st.sampled_from(["one", "two", "masked", "mixed"]),
)
@example(height=66, width=49, tile=16, loss="wasserstein", kind="mixed")
@example(height=5, width=90, tile=32, loss="covariance", kind="mixed")
@example(height=19, width=210, tile=37, loss="covariance", kind="masked")
def test_the_tiled_gradient_is_the_untiled_one(
    height: int, width: int, tile: int, loss: str, kind: str
) -> None:
    whole, tiled = (Evaluator(EXTRACTOR, side, torch.float64) for side in (None, tile))
    picture = noise(1, 3, height, width)
    recipe = replace(RECIPE, loss=loss)
    wanted = whole(picture, objective_for(picture, kind, recipe, whole))
    found = tiled(picture, objective_for(picture, kind, recipe, tiled))
    assert relative(found.pixels, wanted.pixels) < 1e-10
    assert relative(found.loss, wanted.loss) < 1e-10


@dataclass(frozen=True)
class ShortSighted(Evaluator):
    """Tiles that see less beyond their core than the net does."""

    halo: int = 16

    def _tiling(self, padded: torch.Tensor, taps: frozenset[str]) -> Tiling:
        return replace(super()._tiling(padded, taps), halo=self.halo)


@pytest.mark.parametrize(("halo", "exact"), [(16, False), (32, False), (48, True), (64, True)])
def test_a_halo_below_the_receptive_field_gives_another_gradient(halo: int, exact: bool) -> None:
    assert EXTRACTOR.taps["conv5_1"].radius == 46
    whole = Evaluator(EXTRACTOR, None, torch.float64)
    picture = noise(1, 3, 120, 130)
    objective = objective_for(picture, "one", RECIPE, whole)
    wanted = whole(picture, objective).pixels
    short = ShortSighted(EXTRACTOR, 48, torch.float64, halo)
    error = relative(short(picture, objective).pixels, wanted)
    assert error < 1e-10 if exact else error > 1e-3


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    evaluator = Evaluator(net(((3,), (4,))), None, torch.float64)
    recipe = Recipe(("conv1_1", "conv2_1"), ("conv2_1",))
    picture = noise(1, 3, 20, 23)
    objective = objective_for(picture, "two", recipe, evaluator)
    direction = noise(1, 3, 20, 23, seed=9) - 0.5
    ahead, behind = (evaluator(picture + s * 1e-6 * direction, objective).loss for s in (1, -1))
    slope = (evaluator(picture, objective).pixels * direction).sum()
    assert ((ahead - behind) / 2e-6).item() == pytest.approx(slope.item(), rel=1e-6)


@few
@given(height=st.integers(16, 90), width=st.integers(16, 90), tile=st.integers(32, 80))
def test_sums_and_maps_do_not_depend_on_the_tiles(height: int, width: int, tile: int) -> None:
    whole, tiled = (Evaluator(EXTRACTOR, side, torch.float64) for side in (None, tile))
    picture = noise(1, 3, height, width)
    objective = objective_for(picture, "mixed", RECIPE, whole)
    for wanted, found in zip(
        whole.sums(picture, objective), tiled.sums(picture, objective), strict=True
    ):
        for a, b in zip(wanted, found, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-10)
    taps = frozenset(["rgb", "conv2_2", "conv5_1"])
    maps = whole.maps(picture, taps)
    assert maps["conv5_1"].shape == (8, height // 16, width // 16)
    torch.testing.assert_close(maps["rgb"], picture[0])
    torch.testing.assert_close(tiled.maps(picture, taps), maps, rtol=1e-10, atol=1e-10)


def test_the_sum_over_positions_counts_the_picture_and_not_its_reflection() -> None:
    evaluator = Evaluator(EXTRACTOR, 48, torch.float64)
    picture = noise(1, 3, 65, 70)
    objective = objective_for(picture, "one", RECIPE, evaluator)
    counts = {
        term.tap: sums[0].item()
        for term, sums in zip(objective.terms, evaluator.sums(picture, objective), strict=True)
    }
    assert counts["rgb"] == 65 * 70
    assert counts["conv1_1"] == 65 * 70
    assert counts["conv3_1"] == 16 * 17
    assert counts["conv5_1"] == 4 * 4


def test_reflection_leaves_the_picture_in_the_middle() -> None:
    for height, width in ((40, 50), (5, 30), (2, 9), (1, 20), (1, 1)):
        picture = noise(1, 3, height, width)
        padded = reflected(picture)
        assert padded.shape == (1, 3, height + 2 * MARGIN, width + 2 * MARGIN)
        assert torch.equal(padded[..., MARGIN:-MARGIN, MARGIN:-MARGIN], picture)
        assert set(padded.flatten().tolist()) == set(picture.flatten().tolist())


def test_pixels_and_sums_stay_float32_under_bfloat16_convolutions() -> None:
    picture = noise(1, 3, 40, 44, dtype=torch.float32)
    extractor = net(((4,), (4,))).float()
    recipe = Recipe(("conv1_1", "conv2_1"), ("conv2_1",))
    style = Style(noise(1, 3, 40, 40, seed=1, dtype=torch.float32))
    exact, rough = (Evaluator(extractor, None, kind) for kind in (torch.float32, torch.bfloat16))
    objective = build_objective(noise(1, 3, 40, 44, seed=2).float(), [style], exact, recipe)
    found = rough(picture, objective)
    assert found.pixels.dtype == found.loss.dtype == torch.float32
    values = [value for sums in rough.sums(picture, objective) for value in sums]
    assert {value.dtype for value in values} == {torch.float32}
    assert 0 < relative(found.loss, exact(picture, objective).loss) < 0.05


def test_a_mask_is_averaged_down() -> None:
    mask = torch.zeros(8, 8)
    mask[:4, :2] = 1
    assert mask_at(mask, 2, 2).tolist() == [[0.5, 0.0], [0.0, 0.0]]
    assert mask_at(mask, 0, 2).shape == (0, 2)
