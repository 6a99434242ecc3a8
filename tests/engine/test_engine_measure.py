"""What the benchmark reckons with: counts, fits and errors, never how long anything takes."""

from __future__ import annotations

import pytest
import torch
from engine_cases import TINY, net, tiny_net, waves

from farm.engine.gradient import Evaluator
from farm.engine.measure import (
    Pace,
    convolution_flops,
    fit_speed,
    iteration_pace,
    matmul_flops,
    net_pace,
    pace,
    plain_pace,
    tiling_error,
)
from farm.engine.optimise import SHIFTS, Recipe


def test_flops_of_a_small_chain() -> None:
    extractor = tiny_net()  # 3 → 4 at stride 1, 4 → 6 at stride 2
    first, second = 4 * 9 * 3 * 4 * (10 * 12), 4 * 9 * 4 * 6 * (5 * 6)
    assert convolution_flops(extractor, ["conv1_1"], 10, 12) == first
    assert convolution_flops(extractor, ["conv2_1", "conv1_1"], 10, 12) == first + second
    assert convolution_flops(extractor, ["rgb", "conv2_1"], 11, 13) == (
        4 * 9 * 3 * 4 * (11 * 13) + 4 * 9 * 4 * 6 * (5 * 6)
    )


def test_flops_agree_with_what_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    extractor, leaf = tiny_net(), waves(16, 24).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        extractor(leaf, ["conv2_1"])["conv2_1"].sum().backward()
    assert convolution_flops(extractor, ["conv2_1"], 16, 24) == counter.get_total_flops()


@pytest.mark.parametrize(("rate", "half"), [(2.5, 0.03), (0.04, 0.0), (0.7, 1.5)])
def test_the_fit_recovers_the_law(rate: float, half: float) -> None:
    sizes = [0.0655, 0.2621, 1.0486]
    seconds = [(p + half) / rate for p in sizes]
    assert fit_speed(sizes, seconds) == pytest.approx((rate, half), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("sizes", "seconds", "rate"),
    [
        ([1.0, 2.0], [1.0, 3.0], 0.75),  # the line would begin before zero
        ([1.0, 2.0], [2.0, 1.0], 1.0),  # more pixels in less time
        ([2.0], [4.0], 0.5),  # one size says nothing of a half
    ],
)
def test_a_fit_no_machine_could_have_is_proportional(
    sizes: list[float], seconds: list[float], rate: float
) -> None:
    assert fit_speed(sizes, seconds) == pytest.approx((rate, 0.0))


def test_a_pace_of_repeats() -> None:
    found = Pace((2.0, 4.0, 3.0))
    assert (found.best, found.median) == (2.0, 3.0)
    assert found.spread == pytest.approx((2 / 3) ** 0.5 / 3)
    assert Pace((2.0,)).spread == 0


def test_warm_ups_run_but_do_not_count() -> None:
    calls: list[int] = []

    def work() -> torch.Tensor:
        calls.append(1)
        return torch.ones(2, 2)

    assert len(pace(work, 3, warmups=2).seconds) == 3
    assert len(calls) == 5


def test_every_way_is_timed_as_often_as_asked() -> None:
    extractor, content, style = tiny_net(), waves(24, 24), waves(32, 32, seed=1)
    evaluator = Evaluator(extractor)
    tiled = Evaluator(extractor, 16)
    for found in (
        iteration_pace(evaluator, TINY, content, style, 2),
        iteration_pace(tiled, TINY, content, style, 2),
        net_pace(evaluator, TINY, content, 2),
        plain_pace(extractor, TINY, content, style, 2),
    ):
        assert len(found.seconds) == 2
    assert len(SHIFTS) > 1  # the shapes that the warm-up has to see


def test_the_plain_way_leaves_the_extractor_as_it_was() -> None:
    extractor = tiny_net()
    extractor.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain_pace(extractor, TINY, waves(24, 24), waves(32, 32), 1)
    weight = next(extractor.parameters())
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.grad is None


def test_the_tiled_gradients_error_is_rounding() -> None:
    recipe = Recipe(style_taps=("conv1_1", "conv2_1"), content_taps=("conv3_1",))
    assert 0 < tiling_error(net(), recipe, (48, 64), 16) < 1e-12


def test_the_ceiling_is_positive() -> None:
    assert matmul_flops(torch.float32, 16) > 0
