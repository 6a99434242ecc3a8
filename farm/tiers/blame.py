"""Which error ended a gang: that of the rank at fault, not those of the ranks that lost it."""

from __future__ import annotations

from collections.abc import Iterable

from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from farm.dispatch.retry import MachineTaken, MemoryKilled, WorkerLost
from farm.errors import FarmError, LostRank

MEMORY_KILLED = "a print process was killed for its use of memory."


def told(error: RayError) -> Exception:
    """What a rank raised, as it raised it; ``WorkerLost`` where its process is gone."""
    if isinstance(error, RayTaskError):
        cause = getattr(error, "cause", None)
        if isinstance(cause, FarmError):
            return cause
        return RuntimeError(f"{type(cause).__name__}: {cause}" if cause else str(error))
    if isinstance(error, OutOfMemoryError):
        return MemoryKilled(MEMORY_KILLED)
    if isinstance(error, RayActorError) and error.preempted:
        return MachineTaken("the machine was taken away.")
    if isinstance(error, RayActorError):
        return WorkerLost("a print process ended unexpectedly.")
    return WorkerLost(f"Ray lost a print process ({type(error).__name__}).")


def blamed(errors: Iterable[Exception]) -> Exception:
    """The one that the others follow from; the first of several."""
    return min(errors, key=_remove)


def is_at_fault(error: Exception) -> bool:
    """Whether this is a cause for sure, so that no other rank has a better one to tell."""
    return _remove(error) == 0


def _remove(error: Exception) -> int:
    """How far from the cause. A process may die of another's death: NCCL ends those that wait."""
    if isinstance(error, LostRank):
        return 2
    lost = isinstance(error, WorkerLost) and not isinstance(error, MemoryKilled | MachineTaken)
    return 1 if lost else 0
