"""Errors on the wire: RFC 9457 problem+json, one shape for everything that can go wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from farm.errors import BY_SLUG, Busy, FarmError, InvalidInput, NotFound, TooLarge

_SLUGS = {
    404: NotFound("").slug,
    405: "method-not-allowed",
    413: TooLarge("").slug,
    400: InvalidInput("").slug,
    422: InvalidInput("").slug,
}


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    field: str | None = None,
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem+json answer; ``type`` is ``urn:farm:<slug>``."""
    body = _body(status, slug, detail, field, request_id)
    return JSONResponse(
        body, status_code=status, headers=dict(headers or {}), media_type="application/problem+json"
    )


def from_error(error: FarmError, request_id: str) -> JSONResponse:
    """The answer for one of the farm's own errors."""
    headers = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return problem(
        error.status, _slug(error), error.message, field=error.field, request_id=request_id,
        headers=headers,
    )  # fmt: skip


def body_of(error: FarmError, request_id: str) -> dict[str, Any]:
    """The same as an object, for answers that have begun."""
    return _body(error.status, _slug(error), error.message, error.field, request_id)


def _slug(error: FarmError) -> str:
    return error.slug if error.slug in BY_SLUG else "internal"


def _body(status: int, slug: str, detail: str, field: str | None, request_id: str) -> dict[str, Any]:
    return {
        "type": f"urn:farm:{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "field": field,
        "request_id": request_id,
    }


def _request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _farm_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FarmError)
    return from_error(error, _request_id(request))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"{request.url.path}: no such address; /docs lists what there is."
    elif error.status_code == 405:
        detail = f"{request.method} is not possible at {request.url.path}; /docs lists what is."
    slug = _SLUGS.get(error.status_code, "http-error")
    return problem(
        error.status_code, slug, detail, request_id=_request_id(request), headers=error.headers
    )


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where, *path = (str(part) for part in first["loc"])
    field = ".".join(path) or where
    if first["type"] == "missing":
        detail = f"{field}: missing; send it in the {where}."
    else:
        shown = repr(first.get("input"))
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        message = str(first["msg"])
        detail = f"{field}: {shown} is not valid: {message[:1].lower()}{message[1:]}."
    return problem(422, InvalidInput("").slug, detail, field=field, request_id=_request_id(request))


def install(app: FastAPI) -> None:
    """Answer every error as problem+json; unexpected ones are the edge's to answer."""
    app.add_exception_handler(FarmError, _farm_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
