"""L-BFGS against torch's own, within bounds, over ranks, and through checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
import torch
from engine_cases import few, noise, relative
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from farm.engine import lbfgs
from farm.engine.lbfgs import LbfgsOptions, LbfgsState
from farm.engine.mesh import Alone, Mesh
from farm.engine.state import Counters
from farm.engine.threads import spmd

SHAPE, PIXELS = (1, 3, 5, 6), 30
HERE = Alone(torch.device("cpu"))
OPTIONS = LbfgsOptions()

Slope = Callable[[Tensor], Tensor]


def bowl(goal: Tensor, floor: float = 0.05) -> tuple[Slope, Callable[[Tensor], Tensor]]:
    """A convex quadratic around ``goal``, all pixels entangled: its gradient and its value."""
    root = noise(goal.numel(), goal.numel(), seed=3) - 0.5
    matrix = root @ root.T / 10 + floor * torch.eye(goal.numel(), dtype=torch.float64)

    def slope(picture: Tensor) -> Tensor:
        return (matrix @ (picture - goal).flatten()).view(goal.shape)

    return slope, lambda picture: 0.5 * ((picture - goal) * slope(picture)).sum()


def go(state: LbfgsState, gradient: Tensor, mesh: Mesh = HERE) -> None:
    """One iteration; the gradient comes in strips, the last first."""
    state.begin()
    for top in reversed(range(0, gradient.shape[2], 2)):
        state.absorb(top, gradient[:, :, top : top + 2])
    state.finish(mesh)


def test_steps_are_those_of_torch() -> None:
    goal, start = (0.45 + 0.1 * noise(*SHAPE, seed=seed) for seed in (1, 2))
    slope, value = bowl(goal)
    steepest = slope(start)
    # Torch's first step has length 1 in the sum of absolute values, or less.
    first = steepest.norm() * min(1, 1 / steepest.abs().sum()) / steepest.numel() ** 0.5
    state = LbfgsState.start(
        start.clone(), LbfgsOptions(history=4, first=float(first), largest=10, curvature=0), PIXELS
    )
    theirs = start.clone().requires_grad_()
    solver = torch.optim.LBFGS(
        [theirs], lr=1, max_iter=1, history_size=4, tolerance_grad=0, tolerance_change=0
    )

    def closure() -> float:
        solver.zero_grad()
        loss = value(theirs)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    for _ in range(20):
        go(state, slope(state.picture))
        solver.step(closure)  # type: ignore[no-untyped-call]
        assert 0 < theirs.min() < theirs.max() < 1, "within the bounds that torch does not know"
        assert relative(state.picture, theirs.detach()) < 1e-12
    assert value(state.picture) < 1e-3 * value(start)


def test_a_quadratic_is_solved_within_bounds_far_sooner_than_by_gradient_descent() -> None:
    slope, value = bowl(2 * noise(*SHAPE, seed=1) - 0.5)
    start = torch.full(SHAPE, 0.5, dtype=torch.float64)
    state, descended = LbfgsState.start(start.clone(), OPTIONS, PIXELS), start
    pace = 1 / (slope(torch.ones_like(start)) - slope(torch.zeros_like(start))).norm()
    for _ in range(50):
        go(state, slope(state.picture))
        descended = (descended - pace * slope(descended)).clamp(0, 1)
    gradient = slope(state.picture)
    low, high = state.picture <= 0, state.picture >= 1
    assert low.sum() > 10
    assert high.sum() > 10
    assert gradient[low].min() >= 0
    assert gradient[high].max() <= 0
    assert gradient[~(low | high)].abs().max() < 1e-9
    assert value(descended) - value(state.picture) > 1e-4


@few
@given(seed=st.integers(0, 99), large=st.sampled_from([1e-12, 1.0, 1e12]))
def test_no_gradient_moves_pixels_too_far(seed: int, large: float) -> None:
    """And the step that is written down is the one that was taken."""
    options = LbfgsOptions(history=2, first=0.5, largest=0.03)
    state = LbfgsState.start(noise(*SHAPE, seed=seed, dtype=torch.float32), options, PIXELS)
    for number in range(5):
        before = state.picture.clone()
        gradient = large * (noise(*SHAPE, seed=seed + number, dtype=torch.float32) - 0.5)
        go(state, gradient)
        taken = state.picture - before
        assert taken.abs().max() <= 0.03 + 1e-7
        assert torch.equal(state.tensors()[f"s{number % 2}"], taken)
        assert state.picture.min() >= 0
        assert state.picture.max() <= 1


@pytest.mark.parametrize("kind", ["concave", "flat"])
def test_changes_without_curvature_are_not_believed(kind: str) -> None:
    """Each step is then along the gradient and of the first one's length, up to the bounds."""
    options = LbfgsOptions(first=0.001)
    state = LbfgsState.start(0.4 + 0.2 * noise(*SHAPE), options, PIXELS)
    for _ in range(5):
        before = state.picture.clone()
        gradient = 0.5 - before if kind == "concave" else torch.ones_like(before)
        go(state, gradient)
        wanted = before - 0.001 * gradient / gradient.square().mean().sqrt()
        torch.testing.assert_close(state.picture, wanted, rtol=0, atol=1e-12)


def test_the_first_step_has_one_length_at_every_size() -> None:
    for side in (2, 9):
        start = torch.full((1, 3, side, side), 0.5, dtype=torch.float64)
        state = LbfgsState.start(start.clone(), OPTIONS, side * side)
        go(state, 1e-9 * (noise(*start.shape) - 0.3))
        found = (state.picture - start).square().mean().sqrt()
        assert float(found) == pytest.approx(OPTIONS.first)


def test_without_a_gradient_nothing_moves() -> None:
    state = LbfgsState.start(noise(*SHAPE), OPTIONS, PIXELS)
    for _ in range(4):
        go(state, torch.zeros(SHAPE, dtype=torch.float64))
    assert torch.equal(state.picture, noise(*SHAPE))


@pytest.mark.parametrize("edges", [(0, 2, 5), (0, 1, 4, 5), (0, 3, 3, 5)])
def test_bands_move_as_one_picture(edges: Sequence[int]) -> None:
    """Also where a rank has no rows; each pixel's gradient here depends on its own value only."""
    weights, goal = 0.1 + noise(*SHAPE, seed=1), 2 * noise(*SHAPE, seed=2) - 0.5
    alone = LbfgsState.start(noise(*SHAPE), LbfgsOptions(history=3), PIXELS)
    for _ in range(12):
        go(alone, weights * (alone.picture - goal))

    def work(mesh: Mesh) -> tuple[Tensor, Counters]:
        rows = slice(*edges[mesh.rank : mesh.rank + 2])
        state = LbfgsState.start(noise(*SHAPE)[:, :, rows], LbfgsOptions(history=3), PIXELS)
        for _ in range(12):
            go(state, weights[:, :, rows] * (state.picture - goal[:, :, rows]), mesh)
        return state.picture, state.counters()

    found = spmd([HERE.device] * (len(edges) - 1), work, threads_per_rank=1)
    joined = torch.cat([picture for picture, _ in found], 2)
    torch.testing.assert_close(joined, alone.picture, rtol=0, atol=1e-10)
    assert all(counters == found[0][1] for _, counters in found), "bit for bit the same on every rank"
    assert (alone.picture - noise(*SHAPE)).abs().max() > 0.1


@pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 7])
def test_a_restored_state_goes_on_bit_for_bit(before: int) -> None:
    slope, _ = bowl(2 * noise(*SHAPE, seed=1) - 0.5)
    options = LbfgsOptions(history=3)
    state = LbfgsState.start(noise(*SHAPE), options, PIXELS)
    for _ in range(before):
        go(state, slope(state.picture))
    tensors = {name: one.clone() for name, one in state.tensors().items()}
    counters = json.loads(json.dumps(state.counters()))
    again = LbfgsState.restored(tensors, counters, LbfgsOptions(history=99), PIXELS)
    for _ in range(5):
        for one in (state, again):
            go(one, slope(one.picture))
        assert torch.equal(again.picture, state.picture)
    assert again.counters() == state.counters()
    assert relative(state.picture, noise(*SHAPE)) > 0.1


def test_memory_is_what_is_said_of_it() -> None:
    state = LbfgsState.start(noise(*SHAPE, dtype=torch.float32), LbfgsOptions(history=3), PIXELS)
    for seed in range(6):
        go(state, noise(*SHAPE, seed=seed, dtype=torch.float32))
    kept = sum(one.nbytes for one in state.tensors().values())
    assert kept + state._gradient.nbytes == 12 * (2 * 3 + 3) * PIXELS


def test_calming_halves_the_step_and_forgets() -> None:
    slope, _ = bowl(0.3 + 0.4 * noise(*SHAPE, seed=1))
    state = LbfgsState.start(noise(*SHAPE) * 0.4 + 0.3, OPTIONS, PIXELS)
    for _ in range(3):
        go(state, slope(state.picture))
    state.calm()
    start = state.picture.clone()
    go(state, slope(start))
    assert set(state.tensors()) == {"picture", "gradient", "s0"}
    assert float((state.picture - start).square().mean().sqrt()) == pytest.approx(OPTIONS.first / 2)
    larger = state.enlarged(lambda rows, kind: rows.repeat(1, 1, 2, 2), 4 * PIXELS)
    tensors, counters = larger.tensors(), larger.counters()
    assert LbfgsState.restored(tensors, counters, OPTIONS, 4 * PIXELS).calmed == 1


def test_enlarging_keeps_the_picture_and_nothing_else() -> None:
    state = LbfgsState.start(noise(*SHAPE), OPTIONS, PIXELS)
    for seed in range(3):
        go(state, noise(*SHAPE, seed=seed) - 0.5)
    larger = state.enlarged(lambda rows, kind: rows.repeat(1, 1, 2, 2) * 1.2 - 0.1, 4 * PIXELS)
    wanted = (state.picture.repeat(1, 1, 2, 2) * 1.2 - 0.1).clamp(0, 1)
    assert torch.equal(larger.output(), wanted)
    fresh = LbfgsState.start(wanted.clone(), OPTIONS, 4 * PIXELS)
    for one in (larger, fresh):
        go(one, wanted - 0.5)
    assert torch.equal(larger.picture, fresh.picture)


def test_strips_add_up_whatever_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    slope, _ = bowl(2 * noise(*SHAPE, seed=1) - 0.5)

    def run() -> Tensor:
        state = LbfgsState.start(noise(*SHAPE), OPTIONS, PIXELS)
        for _ in range(15):
            go(state, slope(state.picture))
        return state.picture

    whole = run()
    monkeypatch.setattr(lbfgs, "_STRIP_CPU", 7)
    torch.testing.assert_close(run(), whole, rtol=0, atol=1e-12)


def test_the_host_never_waits_for_the_device() -> None:
    """A meta tensor has no values, so asking for one fails."""
    nowhere = Alone(torch.device("meta"))
    state = LbfgsState.start(torch.empty(SHAPE, device="meta"), LbfgsOptions(history=2), PIXELS)
    for _ in range(4):
        go(state, torch.empty(SHAPE, device="meta"), nowhere)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        state.counters()


def test_a_strip_that_is_missing_is_noticed() -> None:
    state = LbfgsState.start(noise(*SHAPE), OPTIONS, PIXELS)
    state.begin()
    state.absorb(0, noise(1, 3, 4, 6))
    with pytest.raises(AssertionError, match="missing"):
        state.finish(HERE)
