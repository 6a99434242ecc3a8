"""What follows an attempt that ended early."""

from __future__ import annotations

import pytest

from farm.dispatch.retry import BACKOFF_SECONDS, WorkerLost, cause_of, decide
from farm.errors import InvalidInput, NotFound, Refused, TooLarge, Unavailable

CAUSES = [
    (InvalidInput("content: no."), "invalid"),
    (TooLarge("content: too large."), "invalid"),
    (NotFound("blob: gone."), "invalid"),
    (Refused("rights: none."), "refused"),
    (Unavailable("store: full."), "unavailable"),
    (MemoryError(), "out_of_memory"),
    (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
    (RuntimeError("DefaultCPUAllocator: Out Of Memory"), "out_of_memory"),
    (WorkerLost("gone."), "lost"),
    (ValueError("a bug"), "unknown"),
]


@pytest.mark.parametrize(("error", "cause"), CAUSES)
def test_every_error_has_a_cause(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause


@pytest.mark.parametrize(("error", "cause"), CAUSES[:4])
def test_bad_input_never_gets_better(error: Exception, cause: str) -> None:
    choice = decide(error, failures=0, max_attempts=10)
    assert (choice.again, choice.cause) == (False, cause)
    assert choice.reason == str(error)


@pytest.mark.parametrize(("error", "cause"), [CAUSES[4], CAUSES[5], CAUSES[9]])
def test_the_rest_is_tried_again_with_growing_pauses_up_to_the_limit(
    error: Exception, cause: str
) -> None:
    choices = [decide(error, failures, max_attempts=6) for failures in range(6)]
    assert [choice.again for choice in choices] == [True] * 5 + [False]
    assert [choice.delay for choice in choices[:5]] == [*BACKOFF_SECONDS, 30.0, 30.0]
    assert {choice.cause for choice in choices} == {cause}
    assert all(choice.counts for choice in choices)
    assert "given up after 6 attempts" in choices[-1].reason


def test_one_attempt_is_one_attempt() -> None:
    choice = decide(ValueError("x"), failures=0, max_attempts=1)
    assert not choice.again
    assert choice.reason.endswith("(given up after 1 attempt)")


@pytest.mark.parametrize("failures", [0, 2, 99])
def test_a_lost_worker_is_nobodys_fault(failures: int) -> None:
    choice = decide(WorkerLost("gone."), failures, max_attempts=3)
    assert (choice.again, choice.counts, choice.delay) == (True, False, 0.0)


def test_an_unknown_error_is_named_by_its_type() -> None:
    assert decide(ValueError("a bug"), 0, 3).reason == "ValueError: a bug"
