"""Uniform Progress: spot while the line is kept, on-demand before it is too late."""

from __future__ import annotations

import random

import pytest

from farm.route.progress import Course, Step, leaves_at, must_leave_spot, next_step


def course(done: float = 0.0, elapsed: float = 0.0, until_due: float = 200.0) -> Course:
    """100 s of work in 200 s, with 5 s to change over."""
    return Course(work=100, done=done, elapsed=elapsed, until_due=until_due, changeover=5)


def test_two_changeovers_are_kept_in_hand() -> None:
    assert not must_leave_spot(100, 110, 5)
    assert must_leave_spot(100, 109.9, 5)
    due = 1000.0
    at = leaves_at(100, due, 5)
    assert not must_leave_spot(100, due - at, 5)
    assert must_leave_spot(100, due - at - 0.1, 5)


@pytest.mark.parametrize(
    ("where", "spot_there", "on_demand", "step"),
    [
        pytest.param(course(), True, False, Step.SPOT, id="spot where it is there"),
        pytest.param(course(), False, False, Step.WAIT, id="not behind yet"),
        pytest.param(course(0, 50, 150), False, False, Step.ON_DEMAND, id="behind the line"),
        pytest.param(course(26, 50, 150), False, False, Step.WAIT, id="ahead of it"),
        pytest.param(course(26, 50, 150), False, True, Step.ON_DEMAND, id="hardly ahead: stays"),
        pytest.param(course(31, 50, 150), False, True, Step.WAIT, id="two changeovers ahead"),
        pytest.param(course(0, 50, 150), True, True, Step.SPOT, id="back to spot"),
        pytest.param(course(0, 95, 105), True, False, Step.ON_DEMAND, id="for good, spot or not"),
    ],
)
def test_steps(where: Course, spot_there: bool, on_demand: bool, step: Step) -> None:
    assert next_step(where, spot_there, on_demand) == step


@pytest.mark.parametrize("seed", range(20))
def test_the_deadline_is_kept_whatever_spot_does(seed: int) -> None:
    """Second by second: spot comes and goes, and takes the work since the last 10 s with it."""
    draw = random.Random(seed)
    due, work, change = 400, 250, 10
    done, there, on, begun, spot_seconds = 0.0, True, Step.WAIT, 0, 0
    for now in range(due):
        if draw.random() < 0.03:
            there = not there
            if not there and on == Step.SPOT:
                done, on = done - done % 10, Step.WAIT
        wants = next_step(
            Course(work, done, now, due - now, change), there, on_demand=on == Step.ON_DEMAND
        )
        if wants != on:
            on, begun = wants, now
        if on != Step.WAIT and now - begun >= change:
            done += 1
            spot_seconds += on == Step.SPOT
        if done >= work:
            break
    assert done >= work
    assert spot_seconds > 0
