"""What follows an attempt that ended early, and what the next one does differently."""

from __future__ import annotations

from typing import get_args

import pytest

from farm.dispatch.retry import (
    BACKOFF_SECONDS,
    NO_ROOM_SECONDS,
    Cause,
    History,
    MachineTaken,
    MemoryKilled,
    NoRoom,
    WorkerLost,
    cause_of,
    conditions,
    decide,
    reason_of,
)
from farm.errors import BadModel, InvalidInput, NotFound, Refused, TooLarge, Unavailable, Unstable

CAUSES = [
    (InvalidInput("content: no."), "invalid"),
    (TooLarge("content: too large."), "invalid"),
    (NotFound("blob: gone."), "invalid"),
    (Refused("rights: none."), "refused"),
    (BadModel("models/vgg19: damaged."), "model"),
    (Unavailable("store: full."), "unavailable"),
    (NoRoom("pool: full."), "no_room"),
    (Unstable("engine: it blew up."), "diverged"),
    (MemoryError(), "out_of_memory"),
    (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
    (RuntimeError("DefaultCPUAllocator: Out Of Memory"), "out_of_memory"),
    (MemoryKilled("killed."), "out_of_memory"),
    (WorkerLost("gone."), "lost"),
    (MachineTaken("gone."), "preempted"),
    (ValueError("a bug"), "unknown"),
]
FINAL: list[Cause] = ["invalid", "refused", "model"]
FREE: list[Cause] = ["preempted", "moved", "lost", "no_room"]
COUNTED: list[Cause] = ["out_of_memory", "diverged", "unknown", "unavailable"]


def test_the_cases_below_are_all_causes() -> None:
    assert {*FINAL, *FREE, *COUNTED, "restart"} == set(get_args(Cause))


@pytest.mark.parametrize(("error", "cause"), CAUSES)
def test_every_error_has_a_cause(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause


@pytest.mark.parametrize("cause", FINAL)
def test_what_cannot_get_better_fails_with_its_own_words(cause: Cause) -> None:
    choice = decide(cause, "content: no; crop it.", History(max_attempts=10))
    assert (choice.ending, choice.cause, choice.reason) == ("fail", cause, "content: no; crop it.")


@pytest.mark.parametrize("cause", ["out_of_memory", "unknown", "unavailable"])
def test_the_rest_is_tried_again_with_growing_pauses_up_to_the_limit(cause: Cause) -> None:
    past = [History(failures=n, max_attempts=6) for n in range(6)]
    choices = [decide(cause, "no", history) for history in past]
    assert [choice.ending == "again" for choice in choices] == [True] * 5 + [False]
    assert [choice.delay for choice in choices[:5]] == [*BACKOFF_SECONDS, 30.0, 30.0]
    assert all(choice.counts and choice.cause == cause for choice in choices)
    assert "given up after 6 attempts" in choices[-1].reason


@pytest.mark.parametrize(
    ("cause", "ending"),
    [
        ("out_of_memory", "quarantine"),
        ("diverged", "quarantine"),
        ("unknown", "quarantine"),
        ("unavailable", "fail"),
    ],
)
def test_what_may_fail_again_is_set_aside_for_somebody_to_look_at(cause: Cause, ending: str) -> None:
    choice = decide(cause, "no", History(max_attempts=1))
    assert choice.ending == ending
    assert choice.reason == "no (given up after 1 attempt)"


def test_a_run_that_blew_up_gets_one_more_chance_in_float32() -> None:
    first = decide("diverged", "no", History(max_attempts=9))
    again = History(failures=1, causes=("diverged",), max_attempts=9)
    assert first.ending == "again"
    assert conditions(again).precision == "float32"
    assert decide("diverged", "no", again).ending == "quarantine"


@pytest.mark.parametrize("failures", [0, 2, 99])
def test_a_machine_that_was_taken_away_costs_nothing(failures: int) -> None:
    choice = decide("preempted", "spot", History(failures, losses=2))
    assert (choice.ending, choice.counts, choice.lost, choice.delay) == ("again", False, False, 0.0)


def test_the_third_lost_worker_is_no_accident() -> None:
    choices = [decide("lost", "gone", History(failures=2, losses=n)) for n in range(3)]
    assert [choice.ending for choice in choices] == ["again", "again", "quarantine"]
    assert all(choice.lost and choice.delay == 0 for choice in choices)
    assert not any(choice.counts for choice in choices[:2])
    assert choices[2].reason == "gone (given up after 3 lost workers)"


def test_waiting_for_a_place_is_nobodys_failure() -> None:
    choice = decide("no_room", "full", History(failures=2))
    assert (choice.ending, choice.cause, choice.counts) == ("again", "unavailable", False)
    assert choice.delay == NO_ROOM_SECONDS


def test_memory_that_ran_out_calls_for_less_then_for_another_pool() -> None:
    past = [History(causes=("out_of_memory",) * n) for n in range(3)]
    found = [conditions(history, {"n7"}) for history in past]
    assert [each.shrink for each in found] == [0, 1, 2]
    assert [each.elsewhere for each in found] == [False, False, True]
    assert {each.avoid for each in found} == {frozenset({"n7"})}


def test_a_plan_that_does_not_fit_into_half_the_memory_is_the_same_shortage() -> None:
    assert decide("invalid", "too large", History()).ending == "fail"
    starved = History(failures=1, causes=("out_of_memory",))
    choice = decide("invalid", "too large", starved)
    assert (choice.ending, choice.cause) == ("again", "out_of_memory")


def test_an_unknown_error_is_named_by_its_type() -> None:
    assert reason_of(ValueError("a bug")) == "ValueError: a bug"
    assert reason_of(BadModel("models: no.")) == "models: no."
