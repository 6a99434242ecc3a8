"""What the benchmark reckons with: repeats, counts and fits, never how long anything takes."""

from __future__ import annotations

import pytest
import torch
from engine_cases import TINY, tiny_net, waves

from farm.engine.evaluation import SHIFTS
from farm.engine.frame import Frame
from farm.engine.gradient import Evaluator
from farm.engine.measure.ceiling import ceiling_side, matmul_flops, rounding
from farm.engine.measure.iteration import convolution_seconds, iteration_pace, net_pace
from farm.engine.measure.pace import Effort, Pace, pace
from farm.engine.measure.plain import plain_pace
from farm.engine.measure.speed import fit_speed
from farm.engine.measure.subject import Subject, random_extractor
from farm.engine.measure.work import convolution_flops, explained_by_tiles
from farm.engine.precision import PRECISIONS
from farm.engine.vgg import BLOCKS

CPU = torch.device("cpu")
FLOAT32 = PRECISIONS["float32"]


def tiny(side: int = 24) -> Subject:
    return Subject(tiny_net(), TINY, waves(side, side), waves(32, 32, seed=1))


def test_flops_of_a_small_chain() -> None:
    extractor = tiny_net()  # 3 → 4 at stride 1, 4 → 6 at stride 2
    first, second = 4 * 9 * 3 * 4 * (10 * 12), 4 * 9 * 4 * 6 * (5 * 6)
    assert convolution_flops(extractor, ["conv1_1"], 10, 12) == first
    assert convolution_flops(extractor, ["conv2_1", "conv1_1"], 10, 12) == first + second
    assert convolution_flops(extractor, ["rgb", "conv2_1"], 11, 13) == (
        4 * 9 * 3 * 4 * (11 * 13) + 4 * 9 * 4 * 6 * (5 * 6)
    )


def test_flops_with_the_margin_are_those_of_a_picture_that_is_32_pixels_larger() -> None:
    extractor = tiny_net()
    larger = convolution_flops(extractor, ["conv2_1"], 32 + 32, 48 + 32)
    assert convolution_flops(extractor, ["conv2_1"], 32, 48, margin=True) == larger


def test_flops_agree_with_what_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    extractor, leaf = tiny_net(), waves(16, 24).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        extractor(leaf, ["conv2_1"])["conv2_1"].sum().backward()
    assert convolution_flops(extractor, ["conv2_1"], 16, 24) == counter.get_total_flops()


def test_vgg_takes_what_is_known_of_it() -> None:
    extractor = random_extractor(BLOCKS, CPU)
    flops = convolution_flops(extractor, ["conv5_1"], 512, 512)
    assert flops / 512**2 == pytest.approx(1.44e6, rel=0.02)  # MFLOP per pixel and iteration


@pytest.mark.parametrize(
    ("tile", "keep", "added", "pixels"),
    [
        pytest.param(None, 1, False, 96**2, id="untiled"),
        pytest.param(None, 0, False, 1.5 * 96**2, id="untiled, but forward twice"),
        pytest.param(32, 4, True, 4 * 52**2, id="halos"),
        pytest.param(32, 0, True, 1.5 * 4 * 52**2, id="halos and forward twice"),
        pytest.param(32, 1, True, (2 * 4 + 3) / 8 * 4 * 52**2, id="three of four forward twice"),
        pytest.param(32, 4, False, 4 * 56**2, id="twice the halo"),
        pytest.param(32, 0, False, 4 * 56**2 + 2 * 52**2, id="twice the halo, but not in pass 1"),
    ],
)
def test_what_halo_and_second_pass_explain(
    tile: int | None, keep: int, added: bool, pixels: float
) -> None:
    # 64 × 64 and a margin of 16 make 96 × 96: four corners of 48 with a halo of 4 on two sides.
    evaluator = Evaluator(tiny_net(), tile, keep=keep, reproducible=not added)
    explained = explained_by_tiles(evaluator, [Frame(64, 64)], TINY.taps)
    assert explained == pytest.approx(pixels / 96**2)


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


@pytest.mark.parametrize(
    ("effort", "repeats", "calls"),
    [
        pytest.param(Effort(3), 3, 2 + 3, id="as often as asked"),
        pytest.param(Effort(9, seconds=0.0), 1, 1 + 1, id="out of time"),
        pytest.param(Effort(1, seconds=0.0), 1, 1 + 1, id="only one wanted"),
        pytest.param(Effort(3, together=4), 3, 4 * (2 + 3), id="four together"),
    ],
)
def test_warm_ups_run_but_do_not_count(effort: Effort, repeats: int, calls: int) -> None:
    made: list[int] = []

    def work() -> torch.Tensor:
        made.append(1)
        return torch.ones(2, 2)

    assert len(pace(work, effort, warmups=2).seconds) == repeats
    assert len(made) == calls


def test_repeats_end_when_they_took_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def work() -> torch.Tensor:
        now[0] += 0.75
        return torch.ones(1)

    monkeypatch.setattr("farm.engine.measure.pace.perf_counter", lambda: now[0])
    assert pace(work, Effort(9, seconds=1.0)).seconds == (0.75, 0.75)
    assert pace(work, Effort(9, seconds=3.0)).seconds == (0.75,) * 4
    assert pace(work, Effort(9, seconds=0.5)).seconds == (0.75,)
    assert pace(work, Effort(2, seconds=3.0, together=2)).seconds == (0.75, 0.75)


def test_a_processor_is_not_given_several_pieces_at_once() -> None:
    assert Effort(3, 2.0).on(CPU) == Effort(3, 2.0, together=1)
    assert Effort(3, 2.0).on(torch.device("cuda")).together > 1


def test_every_way_is_timed_as_often_as_asked() -> None:
    subject, effort = tiny(), Effort(2)
    for found in (
        iteration_pace(subject, subject.evaluator(FLOAT32), effort),
        iteration_pace(subject, subject.evaluator(FLOAT32, 16, keep=0), effort),
        net_pace(subject, subject.evaluator(FLOAT32), effort),
        plain_pace(subject, effort),
    ):
        assert len(found.seconds) == 2
    assert convolution_seconds(subject, FLOAT32, effort) > 0
    assert len(SHIFTS) > 1  # the shapes that the warm-up has to see


def test_iterations_last_for_warm_ups_and_repeats_together() -> None:
    subject = tiny()
    found = iteration_pace(subject, subject.evaluator(FLOAT32), Effort(2, together=3))
    assert len(found.seconds) == 2


def test_the_plain_way_leaves_the_extractor_as_it_was() -> None:
    subject = tiny()
    subject.extractor.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain_pace(subject, Effort(1))
    weight = next(subject.extractor.parameters())
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.grad is None


def test_the_ceiling_is_positive() -> None:
    assert matmul_flops(FLOAT32, CPU, 16) > 0
    assert ceiling_side(torch.device("cuda")) > ceiling_side(CPU)


@pytest.mark.parametrize("name", ["float32", "tfloat32"])
def test_rounding_is_put_back(name: str) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with rounding(PRECISIONS[name]):
        assert torch.backends.cudnn.allow_tf32 is (name == "tfloat32")
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_a_random_net_neither_fades_nor_grows() -> None:
    extractor = random_extractor(BLOCKS[:4], CPU)
    found = extractor(waves(32, 32), ["conv1_1", "conv4_4"])
    shallow, deep = (float(found[tap].square().mean()) for tap in ("conv1_1", "conv4_4"))
    assert 0.02 < deep / shallow < 50  # torch's own start would leave 1e-8 of it
    again = random_extractor(BLOCKS[:4], CPU).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in extractor.state_dict().items())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
