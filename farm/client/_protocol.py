"""The farm's HTTP as values: what is sent, and what an answer means. No I/O here."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from farm.errors import (
    BY_SLUG,
    Busy,
    Conflict,
    FarmError,
    InvalidInput,
    NotFound,
    Refused,
    TooLarge,
    Unavailable,
    Unreachable,
)

T = TypeVar("T")
RETRY_DELAYS = (0.1, 0.4)
"""Seconds before a request that may be repeated is sent again."""

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT"})
_BY_STATUS: dict[int, type[FarmError]] = {
    400: InvalidInput, 401: Refused, 403: Refused, 404: NotFound, 405: InvalidInput, 409: Conflict,
    413: TooLarge, 422: InvalidInput, 429: Busy,
}  # fmt: skip


class Sink(Protocol):
    """Where an answer goes while it arrives."""

    def write(self, data: bytes, /) -> None:
        """Take a piece of it."""
        ...


@dataclass(frozen=True)
class Call:
    """A request. A body that is a path is streamed; an answer goes to ``sink`` where there is one."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Path | None = None
    form: Mapping[str, str | list[str]] | None = None
    files: Sequence[tuple[str, bytes]] | None = None
    sink: Callable[[], AbstractContextManager[Sink]] | None = None


@dataclass(frozen=True)
class Wait:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Something that takes the disk a moment; async clients do it in a thread."""

    do: Callable[[], Any]


Step = Call | Wait | Work
Flow = Generator[Step, Any, T]
"""What a client does, without the doing: it yields steps and is sent their outcomes.

A call's outcome is an ``httpx.Response``; one that got no answer is thrown in as ``Unreachable``.
"""


def checked_url(url: str) -> str:
    """A farm's address without a trailing slash.

    Raises:
        InvalidInput: it is no HTTP address.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise InvalidInput(
            f"url: {url!r} is not a farm's address; write it as http://127.0.0.1:8700.", field="url"
        )
    return url.rstrip("/")


def segment(text: str) -> str:
    """An id or name as one segment of a path, whatever is in it."""
    return quote(text, safe="") or "-"


def reach(call: Call) -> Flow[httpx.Response]:
    """The answer to a call, whatever its status; repeated after a lost connection if that is safe."""
    delays = RETRY_DELAYS if call.method in _IDEMPOTENT else ()
    for delay in delays:
        try:
            answer: httpx.Response = yield call
        except Unreachable as error:
            if isinstance(error.__cause__, httpx.TimeoutException):
                raise
            yield Wait(delay)
        else:
            return answer
    last: httpx.Response = yield call
    return last


def ask(call: Call) -> Flow[httpx.Response]:
    """The answer to a call, or the farm's error as an exception."""
    answer = yield from reach(call)
    if not answer.is_success:
        raise error_of(answer)
    return answer


def value(answer: httpx.Response, adapter: TypeAdapter[T]) -> T:
    """The body of an answer as a value.

    Raises:
        Unreachable: it is not what a farm of this version answers.
    """
    try:
        return adapter.validate_json(answer.content)
    except ValidationError:
        raise _stranger(answer) from None


def error_of(answer: httpx.Response) -> FarmError:
    """The typed error in a problem+json answer."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return _stranger(answer)
    try:
        after = answer.headers.get("retry-after", "")
        return problem_error(json.loads(answer.content), answer.status_code, after)
    except (ValueError, KeyError, TypeError):
        return _stranger(answer)


def problem_error(body: Mapping[str, Any], status: int, after: str = "") -> FarmError:
    """The typed error of a problem's fields; ``after`` is how long to wait, as the farm says it.

    Raises:
        KeyError: the fields are not those of a problem.
    """
    slug, detail = str(body["type"]).removeprefix("urn:farm:"), str(body["detail"])
    kind = BY_SLUG.get(slug) or _BY_STATUS.get(status, Unavailable)
    if issubclass(kind, Busy):
        return kind(detail, retry_after=float(after) if after.isdecimal() else 1.0)
    return kind(detail, field=body.get("field"))


def unreachable(error: httpx.TransportError, url: str) -> Unreachable:
    """The sentence for a request that got no answer."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable(f"url: no farm answers at {url}; start one with 'farm up' or set FARM_URL.")
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"url: {url} did not answer in time; try again or give a longer timeout.")
    return Unreachable(f"url: the connection to {url} was lost; look at 'farm status' and try again.")


def _stranger(answer: httpx.Response) -> Unreachable:
    where = str(answer.request.url.copy_with(path="/", query=None)).rstrip("/")
    return Unreachable(
        f"url: {where} answered {answer.status_code}, but not as a farm does; "
        "check FARM_URL, or wait until 'farm status' says that it is up."
    )
