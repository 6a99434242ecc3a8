"""A run that blows up or runs out of memory goes on from its last checkpoint, and says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from dispatch_cases import Bench
from torch import Tensor

from farm.engine.evaluation import Evaluation
from farm.engine.optimise import State
from farm.spec import JobState
from farm.spec.event import Adjusted

Damage = Callable[[State], None]


def poison(state: State) -> None:
    state.picture[0, 0, 3, 4] = float("nan")


def exhaust(state: State) -> None:
    raise torch.OutOfMemoryError("out of memory, after the step was made")


def after(monkeypatch: pytest.MonkeyPatch, iterations: set[int], damage: Damage) -> list[float]:
    """Do damage after those iterations of all; returns the losses that were seen."""
    run, losses = Evaluation.run, list[float]()

    def damaged(self: Evaluation, iteration: int) -> Tensor:
        loss = run(self, iteration)
        losses.append(loss.item())
        if len(losses) in iterations:
            damage(self._state)  # type: ignore[arg-type]
        return loss

    monkeypatch.setattr(Evaluation, "run", damaged)
    return losses


def adjusted(bench: Bench) -> list[Adjusted]:
    found: list[Adjusted] = bench.events("adjusted")
    return found


@pytest.mark.parametrize(("seconds", "seen"), [(0.0, 0), (float("inf"), 1)])
def test_what_is_no_number_rolls_back_with_half_the_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: float, seen: int
) -> None:
    """It shows when the state is to be kept, or else in the next loss."""
    bench.place = replace(bench.place, checkpoint_seconds=seconds)
    losses = after(monkeypatch, {7}, poison)
    bench.submit()
    bench.finish()
    assert bench.state() == JobState.DONE
    (change,) = adjusted(bench)
    assert change.cause == "diverged"
    assert "half the step" in change.reason
    assert sum(math.isnan(loss) for loss in losses) == seen, "what is gone on from was good"
    assert len(losses) < 20, "most of the work is not made again"
    assert bench.done().quality["loss"] > 0
    assert len(bench.runs) == 1, "the attempt itself went on"


def test_damage_that_stays_is_given_up_with_a_remedy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    after(monkeypatch, set(range(3, 400)), poison)
    bench.submit()
    bench.finish()
    assert bench.state() == JobState.FAILED
    (failed,) = bench.events("failed")
    assert "engine.precision 'float32'" in failed.reason


def test_memory_that_ran_out_in_the_middle_of_a_step_halves_the_tile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.dispatch.render.LEAST_TILE", 32)
    after(monkeypatch, {7}, exhaust)
    bench.submit()
    bench.finish()
    assert bench.state() == JobState.DONE
    (change,) = adjusted(bench)
    assert (change.cause, change.reason) == ("out_of_memory", "going on with tiles of 32 pixels")
