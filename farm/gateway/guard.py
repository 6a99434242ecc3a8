"""Who may talk to the farm: known host names, no foreign pages, no bodies over the limit."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.gateway.problem import problem
from farm.settings import Settings

MEGABYTE = 1_000_000
JSON_LIMIT = MEGABYTE
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_UPLOADS = frozenset({"/v1/blobs", "/v1/previews"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _name(netloc: str) -> str:
    return (urlsplit(f"//{netloc}").hostname or "").lower()


def host_allowed(netloc: str, settings: Settings) -> bool:
    """Whether a ``Host`` header names this farm.

    A farm on loopback answers to loopback names and to the host of ``FARM_URL`` only: a page whose
    name was rebound to 127.0.0.1 still sends its own name. On other addresses any name goes.
    """
    if not is_loopback(settings.host):
        return True
    try:
        name = _name(netloc)
    except ValueError:
        return False
    return is_loopback(name) or (bool(settings.url) and name == urlsplit(settings.url or "").hostname)


def body_limit(path: str, settings: Settings) -> int:
    """The most bytes a request's body may have."""
    return settings.max_upload_mb * MEGABYTE if path in _UPLOADS else JSON_LIMIT


class Guard:
    """ASGI middleware that turns away unknown hosts, foreign pages and oversized bodies."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = body_limit(scope["path"], self._settings)
        refusal = self._refusal(scope["method"], headers, limit)
        if refusal is not None:
            status, slug, detail = refusal
            answer = problem(status, slug, detail, request_id=scope["state"]["request_id"])
            await answer(scope, receive, send)
            return
        await self._app(scope, _limited(receive, limit), send)

    def _refusal(self, method: str, headers: Headers, limit: int) -> tuple[int, str, str] | None:
        host = headers.get("host", "")
        if not host_allowed(host, self._settings):
            detail = f"host: {host[:100]!r} is not this farm's; use 127.0.0.1 or set FARM_URL."
            return 400, "unknown-host", detail
        origin = headers.get("origin")
        if method not in _SAFE and origin is not None and not self._own_page(origin, host):
            detail = f"origin: pages of {origin[:100]!r} may not use this farm; open its own page."
            return 403, "refused", detail
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limit:
            return 413, "too-large", _too_large(limit)
        return None

    def _own_page(self, origin: str, host: str) -> bool:
        # Behind a proxy the page's host is that of FARM_URL, while Host may be an inner name.
        return urlsplit(origin).netloc in (host, urlsplit(self._settings.url or "//-").netloc)


def _too_large(limit: int) -> str:
    return f"body: over {limit / MEGABYTE:g} MB; send less, or raise FARM_MAX_UPLOAD_MB for pictures."


def _limited(receive: Receive, limit: int) -> Receive:
    """Count what comes, for bodies that do not state their length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                # An HTTPException passes through FastAPI's form parsing; others become 400 there.
                raise HTTPException(413, _too_large(limit))
        return message

    return counted
