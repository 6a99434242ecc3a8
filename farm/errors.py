"""Everything that can go wrong, in words for the person it happened to.

    FarmError
    ├── InvalidInput          what was asked for is not valid            exit 2   HTTP 422
    │   └── TooLarge          valid in kind, but over a stated limit     exit 2   HTTP 413
    ├── Conflict              the same id or key, another request        exit 2   HTTP 409
    ├── IllegalTransition     the job is not in a state to do that       exit 2   HTTP 409
    ├── NotFound              no such job, style, model or blob          exit 4   HTTP 404
    ├── Refused               not allowed: rights, budget, quota         exit 5   HTTP 403
    ├── Busy                  try again after a while                    exit 5   HTTP 429
    ├── Unreachable           no farm answers at that address            exit 3   HTTP 503
    ├── Unavailable           a part of the farm does not work now       exit 1   HTTP 503
    │   ├── Damaged           what the store holds is not what was put   exit 1   HTTP 503
    │   ├── BadModel          a model's file is missing or damaged       exit 1   HTTP 503
    │   ├── Unstable          an optimisation blew up beyond mending     exit 1   HTTP 503
    │   └── LostRank          another device of the same print is gone   exit 1   HTTP 503
    ├── JobFailed             the job ended without a result             exit 1   HTTP 500
    └── StaleLease            a worker wrote after losing its task       exit 1   HTTP 409

Each message is one sentence that names the field, the value and the remedy. ``Cancelled`` is no
``Exception``, so that a worker's ``except Exception`` cannot swallow it.
"""

from __future__ import annotations

from typing import ClassVar


class FarmError(Exception):
    """Base of all errors meant for a person.

    Args:
        message: one sentence, ending in the remedy.
        field: dotted path of the input at fault, e.g. ``output.dpi``.
    """

    exit_code: ClassVar[int] = 1
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    @property
    def slug(self) -> str:
        """The error's name on the wire: ``InvalidInput`` is ``invalid-input``."""
        name = type(self).__name__
        return "".join(f"-{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


class InvalidInput(FarmError):
    """What was asked for is not valid."""

    exit_code = 2
    status = 422


class TooLarge(InvalidInput):
    """Valid in kind, but over a stated limit."""

    status = 413


class Conflict(FarmError):
    """The same id or key was used before for another request."""

    exit_code = 2
    status = 409


class IllegalTransition(FarmError):
    """The job is not in a state that allows this."""

    exit_code = 2
    status = 409


class NotFound(FarmError):
    """No such job, style, model or blob."""

    exit_code = 4
    status = 404


class Refused(FarmError):
    """Not allowed: rights to a style, budget, quota."""

    exit_code = 5
    status = 403


class Busy(FarmError):
    """The farm cannot take this now; ``retry_after`` says in how many seconds it might."""

    exit_code = 5
    status = 429

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(FarmError):
    """No farm answers at that address."""

    exit_code = 3
    status = 503


class Unavailable(FarmError):
    """A part of the farm (store, database, model) does not work now."""

    status = 503


class Damaged(Unavailable):
    """What the store holds is not what was put there."""


class BadModel(Unavailable):
    """A model's or a style's file is missing, or not as its card says."""


class Unstable(Unavailable):
    """An optimisation blew up, and going on with a smaller step did not help."""


class LostRank(Unavailable):
    """Another rank of the same print is gone or silent; why, only that one knows."""


class JobFailed(FarmError):
    """The job ended without a result."""


class StaleLease(FarmError):
    """A worker wrote with a lease that is no longer its own; the write was dropped."""

    status = 409


class Cancelled(BaseException):
    """Raised inside a worker when its job was cancelled."""


BY_SLUG: dict[str, type[FarmError]] = {
    cls("").slug: cls
    for cls in (
        InvalidInput, TooLarge, Conflict, IllegalTransition, NotFound, Refused,
        Busy, Unreachable, Unavailable, Damaged, BadModel, Unstable, LostRank, JobFailed,
        StaleLease,
    )
}  # fmt: skip
"""Error classes by their name on the wire, for clients."""
