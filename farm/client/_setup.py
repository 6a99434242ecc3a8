"""What both clients decide before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from farm.client import _files, ids
from farm.client._protocol import Call, checked_url
from farm.errors import InvalidInput
from farm.settings import load

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def target(url: str | None) -> tuple[str, bool]:
    """The farm's address, and whether proxies of the environment apply: not to this machine."""
    found = checked_url(url if url is not None else load().farm_url)
    return found, urlsplit(found).hostname not in _LOOPBACK


def job_id_of(key: str | None, chosen: str | None, now: float) -> str:
    """The id a job is submitted under.

    Raises:
        InvalidInput: key and id both given, or one that is not valid.
    """
    if key is not None and chosen is not None:
        raise InvalidInput("key: id is given, too; give one of them.", field="key")
    if chosen is not None:
        return ids.checked(chosen)
    return ids.from_key(key) if key is not None else ids.fresh(now)


def stream_timeout(timeout: float, silence: float) -> httpx.Timeout:
    """Timeouts of an event stream: silent for a while is normal, dead is not."""
    return httpx.Timeout(timeout, read=silence)


def request_of(
    http: httpx.Client | httpx.AsyncClient,
    call: Call,
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] | None,
    timeout: httpx.Timeout | None = None,
) -> httpx.Request:
    """The HTTP request of a call; a file's length is stated, so that the farm can refuse early."""
    headers = {"Accept": "application/json, */*;q=0.5", **call.headers}
    if isinstance(call.body, Path):
        headers["Content-Length"] = str(_files.length(call.body))
    if call.body is not None:
        headers["Content-Type"] = (
            "application/json" if isinstance(call.body, bytes) else "application/octet-stream"
        )
    return http.build_request(
        call.method,
        call.path,
        params=dict(call.params) or None,
        headers=headers,
        content=body,
        data=call.form,
        files=[(name, (name, data)) for name, data in call.files] if call.files else None,
        timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
    )
