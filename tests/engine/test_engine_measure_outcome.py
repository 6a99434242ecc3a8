"""Figures of what comes out: losses by one yardstick, errors, races, memory, checkpoints, ranks."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_cases import TINY, net, tiny_net, waves

from farm.engine.gradient import Evaluator
from farm.engine.losses import STYLE_LOSSES
from farm.engine.measure.exactness import finished_by, psnr, tiling_error
from farm.engine.measure.growth import Trial, peaks
from farm.engine.measure.keeping import checkpoint_cost
from farm.engine.measure.pace import Effort, Pace
from farm.engine.measure.plain import Descent, own_objective
from farm.engine.measure.race import Point, engine_points, reached, script_points
from farm.engine.measure.ranks import Speedup, speedup
from farm.engine.measure.subject import Subject
from farm.engine.measure.yardstick import Yardstick, finished, loss_share
from farm.engine.precision import PRECISIONS
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.errors import Unavailable

CPU = torch.device("cpu")
FLOAT32 = PRECISIONS["float32"]
SCALES = (Scale(16, 12, 2), Scale(24, 18, 3))


def tiny(height: int = 18, width: int = 24) -> Subject:
    return Subject(tiny_net(), TINY, waves(height, width), waves(32, 32, seed=1))


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_a_script_minimises_the_very_function_that_the_yardstick_tells(loss: str) -> None:
    recipe = Recipe(("conv1_1", "conv2_1", "conv3_1"), ("conv2_2", "conv3_1"), loss, 0.7, 3.0, 0.5)
    content, style, picture = (waves(40, 56, seed, torch.float64) for seed in range(3))
    subject = Subject(net(((4,), (6, 6), (8,))), recipe, content, style)
    told = float(own_objective(subject)(picture))
    assert told == pytest.approx(Yardstick(subject)(picture), rel=1e-9)


def test_a_descent_is_adam_within_the_pixels_bounds() -> None:
    start = torch.tensor([0.005, 0.5, 1.0])
    descent = Descent(lambda picture: picture.sum(), start, 0.02)
    assert float(descent.step()) == pytest.approx(1.505)  # the loss before the step
    # Adam's first step is the rate, whatever the slope.
    assert torch.allclose(descent.picture, torch.tensor([0.0, 0.48, 0.98]))
    assert torch.equal(start, torch.tensor([0.005, 0.5, 1.0]))


def test_the_yardstick_tells_what_a_run_begins_with() -> None:
    subject = tiny()
    first = next(subject.run(subject.evaluator(FLOAT32), [subject.scale()]))
    assert Yardstick(subject)(subject.content) == pytest.approx(first.loss.item(), rel=1e-6)


def test_the_yardstick_resamples_pictures_of_another_size() -> None:
    yardstick = Yardstick(tiny())
    grey = torch.full((1, 3, 18, 24), 0.5)
    assert yardstick(grey[..., :9, :12]) == pytest.approx(yardstick(grey), rel=1e-4)


def test_a_content_in_the_styles_palette() -> None:
    subject = tiny()
    moved = subject.harmonised()
    wanted = subject.style.mean((2, 3))
    before, after = ((one.content.mean((2, 3)) - wanted).norm() for one in (subject, moved))
    assert after < before
    assert moved.style is subject.style


def test_the_same_precision_ends_with_the_same_loss() -> None:
    subject = tiny()
    one, other = subject.evaluator(FLOAT32), subject.evaluator(FLOAT32)
    assert loss_share(subject, SCALES, one, other) == 1.0
    share = loss_share(subject, SCALES, subject.evaluator(PRECISIONS["bfloat16"]), one)
    assert share != 1.0
    assert share == pytest.approx(1.0, abs=0.1)


def test_a_run_without_scales_ends_with_no_picture() -> None:
    subject = tiny()
    with pytest.raises(ValueError, match="at least one iteration"):
        finished(subject, subject.evaluator(FLOAT32), [])


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_the_tiled_gradients_error_is_rounding(loss: str) -> None:
    recipe = Recipe(style_taps=("conv1_1", "conv2_1"), content_taps=("conv3_1",), loss=loss)
    assert 0 < tiling_error(net(), recipe, (48, 64), 16) < 1e-12


def test_all_layouts_end_with_the_same_picture() -> None:
    content, style = (waves(40, 24, seed, torch.float64) for seed in range(2))
    exact = Subject(tiny_net().double(), TINY, content, style)
    evaluator = Evaluator(exact.extractor, precision=torch.float64)
    scales = [Scale(24, 40, 2)]
    untiled = finished_by(exact, evaluator, scales, [CPU])
    assert psnr(untiled, finished(exact, evaluator, scales)) == math.inf
    for other in (
        finished_by(exact, replace(evaluator, tile=16), scales, [CPU]),
        finished_by(exact, evaluator, scales, [CPU, CPU]),
    ):
        assert other.shape == untiled.shape
        assert psnr(untiled, other) > 60


def test_decibels() -> None:
    picture = torch.full((1, 3, 4, 4), 0.5)
    assert psnr(picture, picture) == math.inf
    assert psnr(picture, picture + 0.1) == pytest.approx(20, abs=1e-4)


def test_points_of_a_script() -> None:
    subject = tiny()
    yardstick = Yardstick(subject)
    points = list(script_points(subject, yardstick, 5, every=2))
    assert [point.iterations for point in points] == [2, 4, 5]
    assert 0 < points[0].seconds < points[1].seconds < points[2].seconds
    assert points[-1].loss < yardstick(subject.content)


def test_points_of_the_engine_are_there_at_every_scales_end() -> None:
    subject = tiny()
    evaluator = subject.evaluator(FLOAT32)
    yardstick = Yardstick(subject)
    points = list(engine_points(subject, evaluator, yardstick, SCALES, every=4))
    assert [point.iterations for point in points] == [2, 4, 5]
    assert 0 < points[0].seconds < points[1].seconds < points[2].seconds
    last = list(engine_points(subject, evaluator, yardstick, SCALES, every=1, since=2))
    assert [point.iterations for point in last] == [3, 4, 5]
    assert last[-1].loss == points[-1].loss


def test_who_reaches_a_loss_and_when() -> None:
    points = [Point(1, 1, 5.0, 5.1), Point(2, 2, 3.0, 3.1), Point(3, 3, 2.0, 2.1)]
    assert reached(iter(points), 3.5) == (points[1], True)
    assert reached(iter(points), 3.0) == (points[1], True)
    assert reached(iter(points), 1.0) == (points[2], False)
    with pytest.raises(ValueError, match="without points"):
        reached(iter([]), 1.0)


def test_a_checkpoints_bytes_are_the_states(tmp_path: Path) -> None:
    cost = checkpoint_cost(64, CPU, Effort(2), tmp_path)
    assert cost.pixels == 64 * 64
    assert cost.bytes / cost.pixels == pytest.approx(3 * (4 + 3 * 2), rel=0.02)  # and names, once
    assert cost.keeping > 0
    assert cost.reading > 0
    assert not list(tmp_path.iterdir())


def trial(side: int) -> Trial:
    found = Trial.of(tiny_net(), TINY, "float32", 128, side)
    return replace(found, content_side=32)


def test_a_larger_print_takes_more_memory_and_each_is_measured_alone() -> None:
    small, large = peaks([trial(128), trial(640)])
    grown = (large - small) / (640**2 - 128**2)
    assert 0 < small < large
    assert 30 < grown < 200  # bytes per pixel: the state at least


def test_what_the_planner_expects_of_a_larger_print() -> None:
    sides = 2048, 8192
    small, large = (replace(trial(side), tile=512).predicted for side in sides)
    # State, and the content in float16; strips of the gradient grow with the side only.
    assert 36 < (large - small) / (sides[1] ** 2 - sides[0] ** 2) < 40


def test_a_trial_that_fails_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(Unavailable, match=r"could not be measured \(exit 1\); free some"):
        peaks([trial(128)])


def test_two_ranks_are_timed_beside_one() -> None:
    found = speedup(tiny(80, 40), FLOAT32, ["cpu", "cpu"], Effort(2, seconds=0.0))
    assert found.ranks == 2
    assert [len(pace.seconds) for pace in (found.alone, found.together)] == [2, 2]


def test_a_rank_that_fails_ends_the_measurement(capfd: pytest.CaptureFixture[str]) -> None:
    subject = tiny()
    broken = replace(subject, content=subject.content[:, :2])
    with pytest.raises(Unavailable, match=r"ranks \[0\] of 1 failed"):
        speedup(broken, FLOAT32, ["cpu"], Effort(1))
    assert "RuntimeError" in capfd.readouterr().err


def test_what_a_speedup_is() -> None:
    found = Speedup(Pace((4.0, 4.0, 9.0)), Pace((2.5,)), 2)
    assert found.times == pytest.approx(1.6)
    assert found.efficiency == pytest.approx(0.8)
