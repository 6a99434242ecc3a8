"""Adam against torch's own, and the average of its iterates."""

from __future__ import annotations

import torch
from engine_cases import noise, relative, waves

from farm.engine.adam import AdamOptions, AdamState, resample

OPTIONS = AdamOptions()


def test_twenty_steps_are_those_of_torch() -> None:
    start, goal = 0.45 + 0.1 * noise(1, 3, 5, 6), 0.45 + 0.1 * noise(1, 3, 5, 6, seed=1)
    state = AdamState.start(start)
    theirs = start.clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.02, betas=(0.9, 0.99))
    for _ in range(20):
        state.update(2 * (state.picture - goal), OPTIONS)
        adam.zero_grad()
        (theirs - goal).square().sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
        assert relative(state.picture, theirs.detach()) < 1e-12
    assert relative(state.picture, start) > 0.01


def test_pixels_are_kept_within_the_unit_range() -> None:
    state = AdamState.start(torch.tensor([0.01, 0.99]).view(1, 1, 1, 2))
    for _ in range(3):
        state.update(torch.tensor([1.0, -1.0]).view(1, 1, 1, 2), OPTIONS)
    assert state.picture.flatten().tolist() == [0.0, 1.0]


def test_the_average_of_equal_iterates_is_that_iterate() -> None:
    picture = noise(1, 3, 4, 4)
    state = AdamState.start(picture)
    assert torch.equal(state.output(OPTIONS), picture)
    for _ in range(7):
        state.update(torch.zeros_like(picture), OPTIONS)
        torch.testing.assert_close(state.output(OPTIONS), picture)


def test_the_average_weighs_recent_iterates_more() -> None:
    state = AdamState.start(torch.full((1, 1, 1, 1), 0.5).double())
    iterates = []
    for _ in range(4):
        state.update(torch.ones(1, 1, 1, 1).double(), OPTIONS)
        iterates.append(state.picture.item())
    weights = [OPTIONS.averaging**age for age in (3, 2, 1, 0)]
    wanted = sum(w * x for w, x in zip(weights, iterates, strict=True)) / sum(weights)
    assert abs(state.output(OPTIONS).item() - wanted) < 1e-12


def test_start_does_not_share_the_picture_it_is_given() -> None:
    picture = noise(1, 3, 4, 4)
    kept = picture.clone()
    AdamState.start(picture).update(torch.ones_like(picture), OPTIONS)
    assert torch.equal(picture, kept)


def test_enlarging_keeps_the_step_and_starts_the_average_again() -> None:
    state = AdamState.start(waves(20, 30))
    for seed in range(3):
        state.update(waves(20, 30, seed) - 0.5, OPTIONS)
    large = state.enlarged(28, 43, OPTIONS)
    for part in (large.picture, large.first, large.second, large.average):
        assert part.shape == (1, 3, 28, 43)
    assert large.step == 3
    assert large.averaged == 0
    assert (large.second >= 0).all()
    assert large.picture.min() >= 0
    assert large.picture.max() <= 1
    assert torch.equal(large.output(OPTIONS), large.picture)
    assert relative(large.enlarged(20, 30, OPTIONS).picture, state.output(OPTIONS)) < 0.02


def test_resampling_to_the_same_size_copies() -> None:
    picture = waves(9, 12)
    same = resample(picture, 9, 12)
    assert torch.equal(same, picture)
    assert same.data_ptr() != picture.data_ptr()


def test_resampling_a_constant_gives_the_constant() -> None:
    flat = torch.full((1, 3, 11, 7), 0.25)
    for size in ((5, 3), (23, 9), (1, 1)):
        torch.testing.assert_close(resample(flat, *size), torch.full((1, 3, *size), 0.25))
