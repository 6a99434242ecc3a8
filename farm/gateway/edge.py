"""The outermost layer: request ids, HTTP metrics, and an answer even when a route breaks."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.gateway.ports import Meter
from farm.gateway.problem import problem
from farm.observe.logs import bound

log = logging.getLogger("farm.gateway")

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"})


class Edge:
    """ASGI middleware around everything else.

    ``farm_http_seconds`` runs until the answer begins, so that an event stream of an hour does not
    count as a slow request.
    """

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; its id is ``scope["state"]["request_id"]``."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        started = False

        async def stamped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
                self._measure(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            with bound(request_id=request_id):
                await self._app(scope, receive, stamped)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, scope["method"], scope["path"])
            if started:
                raise
            detail = f"The farm failed to answer; its log has the cause under request {request_id}."
            await problem(500, "internal", detail, request_id=request_id)(scope, receive, stamped)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, not the path: ids in labels would make a series per job.
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._meter.count(
            "farm_http_requests_total", 1.0, route=route, method=method, status=str(status)
        )
        self._meter.observe("farm_http_seconds", seconds, route=route)


def _request_id(given: str | None) -> str:
    if given and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given):
        return given
    return secrets.token_hex(8)
