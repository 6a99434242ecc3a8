"""Tiles, memory, checkpoints and outputs of a job are those that the engine plans with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farm.catalog import Catalogue, models_folder
from farm.engine import needs
from farm.engine.planner import plan
from farm.engine.pyramid import plan_scales
from farm.engine.recipe import recipe_for
from farm.engine.taps import BLOCKS, chain
from farm.route import Accelerator, Footprint, Speed, footprint, seconds
from farm.route.footprint import (
    UNTILED,
    fit,
    output_gigabytes,
    running,
    saving,
    with_optimiser,
)
from farm.settings import Settings
from farm.spec.output import Output

SPEED = Speed(rate_inf=2.0, p_half=0.0, measured_at=1.0)


def card(memory: float, **changes: object) -> Accelerator:
    return Accelerator(
        name="card", kind="cuda", speeds=dict.fromkeys(("vgg19", "farm-texture", "x"), SPEED),
        memory_gb=memory, usd_per_hour=1, startup_seconds=0, number_bytes=2, checkpoint_seconds=0.1,
    ).model_copy(update=changes)  # fmt: skip


def print_of(width: int, height: int, extractor: str = "vgg19", **changes: object) -> Footprint:
    scales = plan_scales(width, height, "standard")
    work = footprint([(s.width, s.height, s.iterations) for s in scales], extractor)
    return replace(work, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("extractor", ["vgg19", "farm-texture"])
@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("memory", [16.0, 24.0])
@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_a_fit_is_what_a_print_plans_with(
    extractor: str, devices: int, memory: float, optimiser: str
) -> None:
    """The same functions on the recipe and the net that prints load."""
    work = with_optimiser(print_of(4961, 3508, extractor), optimiser)  # type: ignore[arg-type]
    found = fit(work, card(memory), devices)
    recipe = recipe_for(extractor)
    wanted = needs.demand(4961, 3508, devices=devices, optimiser=optimiser)
    net = needs.net(chain(BLOCKS[extractor]), recipe.taps, recipe.content_taps, 2)
    expected = plan(wanted, net, memory * 1e9)
    assert found is not None
    assert (found.tile, found.gigabytes) == (expected.tile, expected.bytes / 1e9)


def test_the_shipped_extractor_has_the_shape_that_quotes_go_by() -> None:
    shipped = Catalogue(models_folder(Settings())).model("farm-texture")
    assert tuple(map(tuple, shipped.architecture["blocks"])) == BLOCKS["farm-texture"]


def test_a_larger_card_computes_less_and_a_small_one_does_not_take_it() -> None:
    a0 = print_of(9933, 14043)
    fits = [fit(a0, card(memory)) for memory in (16, 24, 80, 180)]
    works = [found.work for found in fits if found]
    assert len(works) == 4
    assert works == sorted(works, reverse=True)
    assert fit(a0, card(4)) is None
    assert fit(a0, card(4), devices=8) is not None


def test_processors_of_a_gang_share_one_memory() -> None:
    work = print_of(4961, 3508)
    shared = fit(work, card(16, kind="cpu"), devices=4)
    assert shared is not None
    assert shared.gigabytes <= 4


def test_the_tile_that_was_asked_for_is_kept_or_does_not_fit() -> None:
    work = print_of(2480, 3508)
    assert fit(replace(work, tile=512), card(80)).tile == 512  # type: ignore[union-attr]
    assert fit(replace(work, tile=UNTILED), card(80)).tile is None  # type: ignore[union-attr]
    assert fit(replace(work, tile=UNTILED), card(6)) is None


def test_tiles_and_neighbours_cost_time_only_where_they_are() -> None:
    work = print_of(4961, 7016)
    tight, whole = fit(work, card(16)), fit(work, card(80))
    assert tight is not None
    assert whole is not None
    assert whole.work == 1
    assert set(whole.scales) == {1.0}
    assert tight.scales[0] == 1 < tight.scales[-1]  # the first scale is a single tile
    shared = fit(work, card(80), devices=2)
    rows = 2 * 80  # of the neighbour, in pixels: twice the reach of VGG-19 to conv5_1
    assert shared is not None
    assert shared.scales[-1] == pytest.approx(1 + rows / 3508)


def test_time_is_iterations_by_the_work_of_their_tiles() -> None:
    work = print_of(4961, 7016)
    untiled, tiled = running(work, card(80)), running(work, card(16))
    assert untiled == pytest.approx(work.megapixel_iterations / 2)
    found = fit(work, card(16))
    assert found is not None
    assert tiled == pytest.approx(untiled * found.work)


def test_a_precision_that_is_asked_for_has_its_own_pace_and_memory() -> None:
    work = print_of(2480, 3508)
    swift = card(80, precisions={"float32": 0.25})
    exact = replace(work, precision="float32")
    assert running(exact, swift) == pytest.approx(4 * running(work, swift))
    assert fit(exact, swift).gigabytes > fit(work, swift).gigabytes  # type: ignore[union-attr]


def test_a_checkpoint_is_the_optimisers_state() -> None:
    work = print_of(1000, 1000)
    assert work.checkpoint_gigabytes == pytest.approx(30e-3)  # found in the store: 30 bytes a pixel
    assert saving(work, card(80)) == pytest.approx(0.1)
    history = with_optimiser(work, "lbfgs")
    assert saving(history, card(80)) == pytest.approx(0.1 * 12 * 23 / 30)
    assert seconds(work, card(80)) >= running(work, card(80))


@pytest.mark.parametrize(
    ("output", "bytes_per_pixel"),
    [
        ({"format": "tiff"}, 6 * 0.9),
        ({"format": "png", "bit_depth": 8}, 3 * 0.6),
        ({"format": "jpeg"}, 3 * 0.15),
        ({"format": "exr", "bit_depth": 32, "alpha": "keep"}, 16),
    ],
)
def test_what_leaves_is_told_by_the_format(output: dict[str, object], bytes_per_pixel: float) -> None:
    asked = Output.model_validate({"long_edge": 1000, **output})
    assert output_gigabytes(asked, 1000, 1000) == pytest.approx(bytes_per_pixel * 1e-3)


def test_a_preview_net_needs_room_for_the_picture_only() -> None:
    work = footprint([(1000, 1000, 1)], "x")
    assert fit(work, card(8)) is not None
    assert fit(work, card(0.03)) is None
    assert work.checkpoint_gigabytes == 0
