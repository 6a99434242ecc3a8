"""Adam against torch's own, and the average of its iterates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from engine_cases import noise, relative, waves
from torch import Tensor

from farm.engine.adam import AdamOptions, AdamState
from farm.engine.mesh import Alone
from farm.engine.resample import resample

EXACT = AdamOptions(storage=torch.float64)


def start(picture: Tensor, options: AdamOptions = EXACT, pixels: int = 1) -> AdamState:
    return AdamState.start(picture.clone(), options, pixels)


def step(state: AdamState, gradient: Tensor) -> None:
    state.begin()
    state.absorb(0, gradient)
    state.finish(Alone(gradient.device))


def test_twenty_steps_are_those_of_torch() -> None:
    begin, goal = 0.45 + 0.1 * noise(1, 3, 5, 6), 0.45 + 0.1 * noise(1, 3, 5, 6, seed=1)
    state = start(begin)
    theirs = begin.clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.98))
    for _ in range(20):
        step(state, 2 * (state.picture - goal))
        adam.zero_grad()
        (theirs - goal).square().sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
        assert relative(state.picture, theirs.detach()) < 1e-12
    assert relative(state.picture, begin) > 0.01


def test_three_digits_for_what_is_remembered_are_enough() -> None:
    begin, goal = waves(20, 24), waves(20, 24, seed=3)
    exact, short = (
        start(begin, replace(EXACT, storage=kind)) for kind in (torch.float32, torch.float16)
    )
    for _ in range(60):
        for state in (exact, short):
            step(state, 2 * (state.picture - goal))
    assert {tensor.dtype for tensor in short.tensors().values()} == {torch.float32, torch.float16}
    assert (exact.output() - short.output()).abs().mean() < 1e-3
    assert (begin - short.output()).abs().mean() > 0.05


def test_strips_in_any_order_make_the_same_step() -> None:
    whole, parts = (start(waves(600, 4), AdamOptions()) for _ in range(2))
    for seed in range(3):
        gradient = waves(600, 4, seed) - 0.5
        step(whole, gradient)
        parts.begin()
        for top, bottom in ((590, 600), (0, 1), (1, 590)):
            parts.absorb(top, gradient[:, :, top:bottom])
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, parts.tensors()[name])


@pytest.mark.parametrize("pixels", [1, 10**9])
def test_steps_do_not_depend_on_how_large_the_picture_is(pixels: int) -> None:
    state, other = start(waves(8, 8)), start(waves(8, 8), AdamOptions(), pixels)
    gradient = waves(8, 8, seed=2) - 0.5
    step(state, gradient)
    step(other, gradient / pixels)
    assert (state.picture - other.picture).abs().max() < 1e-4


def test_pixels_are_kept_within_the_unit_range() -> None:
    state = start(torch.tensor([0.01, 0.99]).view(1, 1, 1, 2))
    for _ in range(3):
        step(state, torch.tensor([1.0, -1.0]).view(1, 1, 1, 2))
    assert state.picture.flatten().tolist() == [0.0, 1.0]


def test_a_gradient_of_no_number_shows() -> None:
    state = start(waves(8, 8), AdamOptions())
    step(state, torch.full((1, 3, 8, 8), float("nan")))
    assert state.picture.isnan().all()


def test_calming_halves_the_step() -> None:
    state, calm = start(waves(8, 8)), start(waves(8, 8))
    calm.calm()
    for one in (state, calm):
        step(one, torch.full((1, 3, 8, 8), 1.0))
    moved, less = (waves(8, 8) - one.picture for one in (state, calm))
    torch.testing.assert_close(less, moved / 2)
    assert calm.counters()["calmed"] == 1


def test_the_average_of_equal_iterates_is_that_iterate() -> None:
    picture = noise(1, 3, 4, 4)
    state = start(picture)
    assert torch.equal(state.output(), picture)
    for _ in range(7):
        step(state, torch.zeros_like(picture))
        torch.testing.assert_close(state.output(), picture)


def test_the_average_weighs_recent_iterates_more() -> None:
    state = start(torch.full((1, 1, 1, 1), 0.5).double())
    iterates = []
    for _ in range(4):
        step(state, torch.ones(1, 1, 1, 1).double())
        iterates.append(state.picture.item())
    weights = [EXACT.averaging**age for age in (3, 2, 1, 0)]
    wanted = sum(w * x for w, x in zip(weights, iterates, strict=True)) / sum(weights)
    assert abs(state.output().item() - wanted) < 1e-12


def test_a_restored_state_goes_on_bit_for_bit() -> None:
    state = start(waves(9, 10), AdamOptions())
    step(state, waves(9, 10, seed=1) - 0.5)
    tensors = {name: tensor.clone() for name, tensor in state.tensors().items()}
    other = AdamState.restored(tensors, state.counters(), AdamOptions(), 1)
    for one in (state, other):
        step(one, waves(9, 10, seed=2) - 0.5)
    assert torch.equal(state.output(), other.output())


def test_enlarging_keeps_the_step_and_starts_the_average_again() -> None:
    state = start(waves(20, 30), AdamOptions())
    for seed in range(3):
        step(state, waves(20, 30, seed) - 0.5)
    shown = state.output()
    large = state.enlarged(lambda rows, kind: resample(rows, 28, 43, kind=kind), 28 * 43)
    for part in large.tensors().values():
        assert part.shape == (1, 3, 28, 43)
    assert (large.step, large.averaged, large.pixels) == (3, 0, 28 * 43)
    assert (large.deviation >= 0).all()
    assert large.picture.min() >= 0
    assert large.picture.max() <= 1
    assert torch.equal(large.output(), large.picture)
    back = large.enlarged(lambda rows, kind: resample(rows, 20, 30, kind=kind), 600)
    assert relative(back.picture, shown) < 0.02
