"""Taken tile by tile and written out by hand, loss and gradient are those of the whole picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from engine_cases import RECIPE, by_autograd, few, net, noise, relative, scene
from hypothesis import example, given
from hypothesis import strategies as st

from farm.engine.evaluation import SHIFTS
from farm.engine.frame import MARGIN, Frame, reflected
from farm.engine.gradient import Evaluator, Rows
from farm.engine.moments import style_sums
from farm.engine.objective import mask_at
from farm.engine.patch import Patch
from farm.engine.recipe import Recipe
from farm.engine.tiling import Tiling, Window

EXTRACTOR = net()
LOSSES = ("covariance", "gram", "wasserstein")
KINDS = ("one", "two", "masked", "mixed")


@few
@given(
    height=st.integers(2, 130),
    width=st.integers(2, 130),
    tile=st.none() | st.integers(32, 120),
    loss=st.sampled_from(LOSSES),
    kind=st.sampled_from(KINDS),
    turn=st.integers(0, len(SHIFTS) - 1),
    keep=st.integers(0, 3),
    recompute=st.booleans(),
    grid=st.none() | st.sampled_from([(16, 16), (32, 16), (128, 256)]),
)
@example(
    height=66, width=49, tile=16, loss="wasserstein", kind="mixed", turn=0, keep=1, recompute=False,
    grid=None,
)  # fmt: skip
@example(
    height=5, width=90, tile=32, loss="covariance", kind="mixed", turn=0, keep=0, recompute=True,
    grid=(16, 16),
)  # fmt: skip
@example(
    height=90, width=210, tile=37, loss="covariance", kind="masked", turn=3, keep=2, recompute=False,
    grid=(16, 32),
)  # fmt: skip
def test_tile_by_tile_the_gradient_is_that_of_autograd_on_the_whole(
    height: int, width: int, tile: int | None, loss: str, kind: str, turn: int, keep: int,
    recompute: bool, grid: tuple[int, int] | None,
) -> None:  # fmt: skip
    """Halos added (no grid), or seen twice as far."""
    recipe = replace(RECIPE, loss=loss)
    picture = noise(1, 3, height, width)
    whole = Evaluator(EXTRACTOR, None, torch.float64)
    expected = scene(height, width, whole, kind, recipe).objectives
    objective = expected[turn % len(expected)]
    wanted_loss, wanted = by_autograd(picture, objective, whole)
    tiled = Evaluator(
        EXTRACTOR, tile, torch.float64, keep=keep, recompute=recompute, reproducible=grid is not None,
        grid=grid or (128, 256),
    )  # fmt: skip
    found = tiled(picture, scene(height, width, tiled, kind, recipe).objectives[turn % len(expected)])
    assert relative(found.pixels, wanted) < 1e-10
    assert relative(found.loss, wanted_loss) < 1e-10


@pytest.mark.parametrize("tile", [None, 32, 48])
def test_rows_come_once_from_top_to_bottom_and_early(tile: int | None) -> None:
    evaluator = Evaluator(EXTRACTOR, tile, torch.float64)
    picture = noise(1, 3, 300, 40)
    strips = list(evaluator.sweep(picture, scene(300, 40, evaluator).objectives[0]))
    edges = [0, *(top + strip.shape[2] for top, strip in strips)]
    assert edges[:-1] == [top for top, _ in strips]
    assert edges[-1] == 300
    assert len(strips) > 2 if tile else len(strips) == 1


@pytest.mark.parametrize("tile", [32, 64])
def test_pixels_may_be_changed_as_soon_as_their_gradient_is_out(tile: int) -> None:
    evaluator = Evaluator(EXTRACTOR, tile, torch.float64, keep=2)
    picture = noise(1, 3, 210, 50)
    for objective in scene(210, 50, evaluator, "mixed").objectives:
        wanted, victim = evaluator(picture, objective).pixels, picture.clone()
        for top, strip in evaluator.sweep(victim, objective):
            rows = slice(top, top + strip.shape[2])
            assert torch.equal(strip, wanted[:, :, rows])
            victim[:, :, rows] = float("nan")


@dataclass(frozen=True)
class ShortSighted(Evaluator):
    """Tiles that see less beyond their core than the net does."""

    halo: int = 16

    def tiling(self, frame: Frame, taps: frozenset[str], band: Rows | None = None) -> Tiling:
        return replace(super().tiling(frame, taps, band), halo=self.halo)


@pytest.mark.parametrize(("halo", "exact"), [(16, False), (32, False), (48, True), (64, True)])
def test_a_halo_below_the_receptive_field_gives_another_gradient(halo: int, exact: bool) -> None:
    assert EXTRACTOR.taps["conv5_1"].radius == 46
    whole = Evaluator(EXTRACTOR, None, torch.float64)
    picture = noise(1, 3, 120, 130)
    _, wanted = by_autograd(picture, scene(120, 130, whole).objectives[0], whole)
    # The content's features are as far-sighted as they should be; only the picture's are not.
    short = ShortSighted(EXTRACTOR, 48, torch.float64, 0, reproducible=False, halo=halo)
    sighted = Evaluator(EXTRACTOR, 48, torch.float64, reproducible=False)
    objective = scene(120, 130, sighted).objectives[0]
    error = relative(short(picture, objective).pixels, wanted)
    assert error < 1e-10 if exact else error > 1e-3


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    evaluator = Evaluator(net(((3,), (4,))), None, torch.float64)
    recipe = Recipe(("conv1_1", "conv2_1"), ("conv2_1",))
    picture = noise(1, 3, 20, 23)
    objective = scene(20, 23, evaluator, "two", recipe).objectives[0]
    direction = noise(1, 3, 20, 23, seed=9) - 0.5
    ahead, behind = (evaluator(picture + s * 1e-6 * direction, objective).loss for s in (1, -1))
    slope = (evaluator(picture, objective).pixels * direction).sum()
    assert ((ahead - behind) / 2e-6).item() == pytest.approx(slope.item(), rel=1e-6)


def test_the_sum_over_positions_counts_the_picture_and_not_its_reflection() -> None:
    evaluator = Evaluator(EXTRACTOR, 48, torch.float64)
    objective = scene(65, 70, evaluator).objectives[0]
    found = evaluator.sums(noise(1, 3, 65, 70), objective)
    counts = {
        term.tap: sums[0].item()
        for term, sums in zip(objective.terms, found, strict=True)
        if len(sums[1]) and sums[0].dim() == 0
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


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_pixels_and_sums_stay_float32_under_narrow_convolutions(kind: torch.dtype) -> None:
    picture = noise(1, 3, 140, 144, dtype=torch.float32)
    extractor = net(((4,), (4,))).float()
    recipe = Recipe(("conv1_1", "conv2_1"), ("conv2_1",))
    exact, rough = (Evaluator(extractor, None, kind) for kind in (torch.float32, kind))
    wanted = exact(picture, scene(140, 144, exact, "mixed", recipe).objectives[0])
    objective = scene(140, 144, rough, "mixed", recipe).objectives[0]
    found = rough(picture, objective)
    assert found.pixels.dtype == found.loss.dtype == torch.float32
    values = [value for sums in rough.sums(picture, objective) for value in sums]
    assert {value.dtype for value in values} == {torch.float32}
    assert 0 < relative(found.loss, wanted.loss) < 0.02
    assert 0 < relative(found.pixels, wanted.pixels) < 0.1


def test_narrow_sums_are_nearly_those_of_float32() -> None:
    features = noise(1, 12, 200, 210, dtype=torch.float32).bfloat16()
    window = Window(3, 198, 5, 207)
    narrow, wide = (Patch(map_, window) for map_ in (features, features.float()))
    for found, wanted in zip(style_sums(narrow), style_sums(wide), strict=True):
        assert found.dtype == torch.float64
        assert relative(found, wanted) < 5e-4


def test_a_mask_is_averaged_down() -> None:
    mask = torch.zeros(8, 9)
    mask[:4, :2] = 1
    assert mask_at(mask, 4).tolist() == [[0.5, 0.0], [0.0, 0.0]]
    assert mask_at(mask[:3], 4).shape == (0, 2)
