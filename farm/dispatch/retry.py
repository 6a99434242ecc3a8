"""What to do when an attempt ends without a result, decided by its cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from farm.errors import FarmError, InvalidInput, NotFound, Refused, Unavailable

Cause = Literal["invalid", "refused", "unavailable", "out_of_memory", "lost", "unknown"]
BACKOFF_SECONDS = (2.0, 10.0, 30.0)


class WorkerLost(FarmError):  # named like its siblings in farm.errors
    """The process that ran the attempt is gone."""


@dataclass(frozen=True)
class RetryDecision:
    """Try again after ``delay`` seconds or give up; ``counts`` is whether it was the job's fault."""

    again: bool
    cause: Cause
    reason: str
    delay: float = 0.0
    counts: bool = True


def cause_of(error: BaseException) -> Cause:
    """The cause behind what an attempt raised."""
    if isinstance(error, WorkerLost):
        return "lost"
    if isinstance(error, (InvalidInput, NotFound)):
        return "invalid"
    if isinstance(error, Refused):
        return "refused"
    if isinstance(error, Unavailable):
        return "unavailable"
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "out_of_memory"
    return "unknown"


def decide(error: BaseException, failures: int, max_attempts: int) -> RetryDecision:
    """What follows ``error`` after ``failures`` earlier attempts that counted.

    Bad input never gets better, a lost worker was nobody's fault, everything else is worth trying
    again a few times with growing pauses.
    """
    cause = cause_of(error)
    reason = error.message if isinstance(error, FarmError) else f"{type(error).__name__}: {error}"
    if cause in ("invalid", "refused"):
        return RetryDecision(False, cause, reason)
    delay = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
    if cause == "lost":
        return RetryDecision(True, cause, reason, delay=0.0, counts=False)
    if failures + 1 >= max_attempts:
        attempts = "attempt" if max_attempts == 1 else "attempts"
        return RetryDecision(False, cause, f"{reason} (given up after {max_attempts} {attempts})")
    return RetryDecision(True, cause, reason, delay=delay)
