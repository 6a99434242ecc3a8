"""A run over the pyramid: it improves, repeats itself, and goes on after any interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pytest
import torch
from engine_cases import TINY, noise, tiny_net, waves
from torch import Tensor

from farm.engine.checkpoint import dump, restore
from farm.engine.gradient import Evaluator
from farm.engine.losses import STYLE_LOSSES
from farm.engine.optimise import Iterate, Resume, Style, harmonise, optimise
from farm.engine.pyramid import Scale, plan_scales

CPU = torch.device("cpu")
SCALES = (Scale(26, 20, 4), Scale(59, 46, 3), Scale(84, 66, 5))
"""The last is large enough for the pools' grid to be moved from iteration to iteration."""


def stroked(height: int = 40, width: int = 36) -> Style:
    return Style(noise(1, 3, height, width, seed=5, dtype=torch.float32) ** 2)


def run(
    content: Tensor | None = None,
    styles: Sequence[Style] | None = None,
    scales: Sequence[Scale] = SCALES,
    resume: Resume | None = None,
    tile: int | None = None,
    loss: str = "covariance",
) -> Iterator[Iterate]:
    evaluator = Evaluator(tiny_net(), tile)
    recipe = replace(TINY, loss=loss)
    content = waves(66, 84) if content is None else content
    return optimise(content, styles or [stroked()], evaluator, recipe, scales, resume)


def last(iterates: Iterator[Iterate]) -> Iterate:
    *_, final = iterates
    return final


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_the_loss_falls(loss: str) -> None:
    losses = [one.loss.item() for one in run(scales=[Scale(52, 40, 25)], loss=loss)]
    assert losses[-1] < 0.7 * losses[0]


def test_iterates_number_their_scales_and_iterations() -> None:
    seen = [
        (one.scale, one.iteration, one.iterations, one.ends_scale, one.is_last, one.picture.shape[-2:])
        for one in run()
    ]
    assert [(scale, iteration) for scale, iteration, *_ in seen] == [
        (number, iteration)
        for number, scale in enumerate(SCALES, 1)
        for iteration in range(1, scale.iterations + 1)
    ]
    assert seen[3] == (1, 4, 4, True, False, (20, 26))
    assert seen[-1] == (3, 5, 5, True, True, (66, 84))
    assert sum(ends for *_, ends, _, _ in seen) == 3


def test_pictures_stay_within_the_unit_range() -> None:
    for one in run():
        assert one.picture.min() >= 0
        assert one.picture.max() <= 1
        assert one.picture.isfinite().all()


def test_the_same_run_gives_the_same_bits() -> None:
    assert torch.equal(last(run()).picture, last(run()).picture)


def test_tiles_change_the_picture_by_rounding_only() -> None:
    whole, tiled = last(run()).picture, last(run(tile=32)).picture
    assert (whole - tiled).abs().mean() < 1e-3


@pytest.mark.parametrize("after", range(1, 13))
def test_an_interrupted_run_ends_at_the_same_bits(after: int) -> None:
    *_, stopped = islice(run(), after)
    data = dump(stopped)
    resumed = list(run(resume=restore(data, CPU)))
    assert len(resumed) == 12 - after
    if resumed:
        assert torch.equal(resumed[-1].picture, last(run()).picture)


def test_a_resume_at_the_end_holds_the_final_picture() -> None:
    final = last(run())
    state = restore(dump(final), CPU).state
    assert torch.equal(state.output(final.options).clamp(0, 1), final.picture)


def test_a_checkpoint_resumes_on_other_tiles() -> None:
    *_, stopped = islice(run(), 6)
    data = dump(stopped)
    whole, tiled = (last(run(resume=restore(data, CPU), tile=tile)).picture for tile in (None, 32))
    assert (whole - tiled).abs().mean() < 1e-3


@pytest.mark.parametrize(("height", "width"), [(17, 300), (300, 17), (3, 260), (1, 40), (1, 1)])
def test_extreme_shapes_are_drawn(height: int, width: int) -> None:
    scales = [replace(scale, iterations=2) for scale in plan_scales(width, height, "draft")]
    mask = torch.ones(height, width)
    mask[:, : width // 2] = 0
    styles = [replace(stroked(), mask=mask), stroked(35, 90)]
    for one in run(waves(height, width), styles, scales):
        assert one.loss.isfinite()
        assert one.picture.isfinite().all()
    assert one.picture.shape == (1, 3, height, width)


def test_a_flat_content_and_a_flat_style_are_drawn() -> None:
    flat = torch.full((1, 3, 24, 30), 0.5)
    for loss in STYLE_LOSSES:
        one = last(run(flat, [Style(flat * 0.4)], [Scale(30, 24, 3)], loss=loss))
        assert one.loss.isfinite()
        assert one.picture.isfinite().all()


def dark_grey_and_light() -> tuple[Style, Tensor, Style]:
    """Two styles and a content between them, alike but for their mean."""
    grain = 0.4 * noise(1, 3, 32, 32, dtype=torch.float32)
    return Style(grain), grain + 0.3, Style(grain + 0.6)


def test_a_mask_confines_its_style() -> None:
    left = torch.zeros(32, 32)
    left[:, :16] = 1
    dark, grey, light = dark_grey_and_light()
    styles = [replace(dark, mask=left), replace(light, mask=1 - left)]
    picture = last(run(grey, styles, [Scale(32, 32, 60)])).picture
    assert picture[..., :12].mean() < 0.4
    assert picture[..., -12:].mean() > 0.58


def test_weights_share_between_styles() -> None:
    dark, grey, light = dark_grey_and_light()
    means = [
        last(run(grey, [replace(dark, weight=w), light], [Scale(32, 32, 30)])).picture.mean()
        for w in (0.1, 10.0)
    ]
    assert means[0] > means[1] + 0.1


def test_harmonising_gives_the_content_the_colours_of_the_style() -> None:
    style = Style(0.3 + 0.3 * waves(30, 30, seed=8))
    content = waves(40, 52)
    tinted, styles = harmonise(content, [style], 1.0, keep=False)
    assert styles == [style]
    torch.testing.assert_close(tinted.mean((2, 3)), style.picture.mean((2, 3)), atol=0.02, rtol=0)
    assert (content.mean((2, 3)) - style.picture.mean((2, 3))).abs().max() > 0.04


def test_harmonising_blends_the_colours_of_several_styles_by_weight() -> None:
    flat = torch.full((1, 3, 20, 20), 0.2)
    tinted, _ = harmonise(waves(40, 52), [Style(flat, 3.0), Style(flat * 3, 1.0)], 1.0, keep=False)
    torch.testing.assert_close(tinted.mean((2, 3)), torch.full((1, 3), 0.3), atol=0.02, rtol=0)


def test_harmonising_at_no_strength_leaves_the_content() -> None:
    content = waves(40, 52)
    tinted, _ = harmonise(content, [stroked()], 0.0, keep=False)
    torch.testing.assert_close(tinted, content)


def test_keeping_colours_moves_the_styles_instead() -> None:
    content = waves(40, 52)
    kept, (style,) = harmonise(content, [stroked()], 1.0, keep=True)
    assert kept is content
    torch.testing.assert_close(style.picture.mean((2, 3)), content.mean((2, 3)), atol=0.05, rtol=0)
    assert style.picture.min() >= 0
    assert style.picture.max() <= 1
