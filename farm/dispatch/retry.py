"""What follows an attempt that ended without a result, as a pure function of its cause and its past.

    cause          tried again                                     counts   in the end
    out_of_memory  after a pause, with half the memory to plan     yes      quarantined
                   with; from the second time on another pool
    preempted      at once, from the checkpoint                    no       never gives up
    moved          the same: the farm itself took its place        no       never gives up
    lost           at once, from the checkpoint; losses are        no       quarantined at the third
                   counted by themselves                                    loss
    diverged       after a pause, in float32                       yes      quarantined at the second
    unknown        after a growing pause                           yes      quarantined
    unavailable    after a growing pause                           yes      fails, as the sentence says
    no_room        after a pause, as unavailable: nothing was      no       never gives up
                   tried yet
    invalid        no: bad input never gets better                 -        fails
    refused        no: what is not allowed stays so                -        fails
    model          no: a file must be put right first              -        fails

What counts goes against ``max_attempts``. *Quarantined* is failed with the evidence kept: the next
attempt would most likely fail again, and somebody should look before it takes more time from others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from farm.errors import BadModel, FarmError, InvalidInput, NotFound, Refused, Unavailable, Unstable
from farm.queue.settling import MAX_LOSSES

Cause = Literal[
    "out_of_memory", "preempted", "moved", "lost", "diverged", "unknown", "unavailable", "no_room",
    "invalid", "refused", "model", "restart",
]  # fmt: skip
Ending = Literal["again", "fail", "quarantine"]
BACKOFF_SECONDS = (2.0, 10.0, 30.0)
NO_ROOM_SECONDS = 10.0


class WorkerLost(FarmError):
    """The process that ran the attempt is gone."""


class MemoryKilled(WorkerLost):
    """The process that ran the attempt was killed for its use of memory, by the kernel or by Ray."""


class MachineTaken(WorkerLost):
    """The machine that ran the attempt was taken away after due notice."""


class NoRoom(Unavailable):
    """There was no free place for the attempt in time."""


@dataclass(frozen=True)
class History:
    """A task's past: earlier attempts that counted, lost workers, and how each earlier one ended."""

    failures: int = 0
    losses: int = 0
    causes: tuple[str, ...] = ()
    max_attempts: int = 3

    def times(self, cause: str) -> int:
        """How many earlier attempts ended for that cause."""
        return self.causes.count(cause)


@dataclass(frozen=True)
class RetryDecision:
    """Try again after ``delay`` seconds or give up; ``counts`` is whether it was the job's fault."""

    ending: Ending
    cause: Cause
    reason: str
    delay: float = 0.0
    counts: bool = True

    @property
    def lost(self) -> bool:
        """Whether this is one more lost worker."""
        return self.cause == "lost"


@dataclass(frozen=True)
class Conditions:
    """How the next attempt differs from a first one.

    Args:
        shrink: how often the memory that tiles are planned with is halved.
        precision: instead of the one that the job asks for.
        elsewhere: on a pool where memory has not run out yet, if there is one.
        avoid: nodes that it must not be placed on.
    """

    shrink: int = 0
    precision: Literal["float32"] | None = None
    elsewhere: bool = False
    avoid: frozenset[str] = field(default_factory=frozenset)


def conditions(history: History, avoid: Iterable[str] = ()) -> Conditions:
    """What the next attempt does differently, given how the earlier ones ended."""
    starved = history.times("out_of_memory")
    return Conditions(
        shrink=starved,
        precision="float32" if history.times("diverged") else None,
        elsewhere=starved >= 2,
        avoid=frozenset(avoid),
    )


def cause_of(error: BaseException) -> Cause:
    """The cause behind what an attempt raised."""
    kinds: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Cause], ...] = (
        (MemoryKilled, "out_of_memory"), (MachineTaken, "preempted"), (WorkerLost, "lost"),
        ((InvalidInput, NotFound), "invalid"), (Refused, "refused"), (BadModel, "model"),
        (Unstable, "diverged"), (NoRoom, "no_room"), (Unavailable, "unavailable"),
        (MemoryError, "out_of_memory"),
    )  # fmt: skip
    for kind, cause in kinds:
        if isinstance(error, kind):
            return cause
    return "out_of_memory" if "out of memory" in str(error).lower() else "unknown"


def reason_of(error: BaseException) -> str:
    """What an attempt raised, in words."""
    return error.message if isinstance(error, FarmError) else f"{type(error).__name__}: {error}"


def decide(cause: Cause, reason: str, history: History) -> RetryDecision:
    """What follows an attempt that ended for ``cause``, by the table above."""
    if cause == "invalid" and history.times("out_of_memory"):
        # With half the memory the plan may fail beforehand: that is the same shortage, seen earlier.
        cause = "out_of_memory"
    if cause in ("invalid", "refused", "model"):
        return RetryDecision("fail", cause, reason)
    if cause in ("preempted", "moved"):
        return RetryDecision("again", cause, reason, counts=False)
    if cause == "no_room":
        return RetryDecision("again", "unavailable", reason, delay=NO_ROOM_SECONDS, counts=False)
    if cause == "lost":
        return _lost(reason, history)
    tried = history.failures + 1
    if tried >= history.max_attempts or (cause == "diverged" and history.times("diverged")):
        attempts = "attempt" if tried == 1 else "attempts"
        ending: Ending = "fail" if cause == "unavailable" else "quarantine"
        return RetryDecision(ending, cause, f"{reason.rstrip('.')} (given up after {tried} {attempts})")
    delay = BACKOFF_SECONDS[min(history.failures, len(BACKOFF_SECONDS) - 1)]
    return RetryDecision("again", cause, reason, delay=delay)


def _lost(reason: str, history: History) -> RetryDecision:
    losses = history.losses + 1
    if losses >= MAX_LOSSES:
        return RetryDecision(
            "quarantine", "lost", f"{reason.rstrip('.')} (given up after {losses} lost workers)"
        )
    return RetryDecision("again", "lost", reason, counts=False)
