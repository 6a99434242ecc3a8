"""``/v1/blobs``: bytes in and out, named by their sha256."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from farm.errors import InvalidInput, NotFound
from farm.gateway.context import Provided
from farm.gateway.guard import MEGABYTE

router = APIRouter(tags=["blobs"])

CHUNK = 256 * 1024
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"v/1\x01", "image/x-exr"),
)


class Blob(BaseModel):
    """A blob's name and length."""

    sha256: str
    bytes: int


@router.put("/v1/blobs", status_code=201)
async def put(services: Provided, request: Request) -> Blob:
    """Keep the request's body; the same bytes twice are one blob."""
    limit = services.settings.max_upload_mb * MEGABYTE
    writer = services.store.writer(max_bytes=limit)
    sink = await asyncio.to_thread(writer.__enter__)
    total = 0
    try:
        async for chunk in request.stream():
            total += len(chunk)
            await asyncio.to_thread(sink.write, chunk)
        if total == 0:
            raise InvalidInput("body: empty; send the file's bytes as the body.", field="body")
    except BaseException as error:
        await asyncio.to_thread(writer.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(writer.__exit__, None, None, None)
    return Blob(sha256=sink.sha256, bytes=total)


@router.head("/v1/blobs/{sha256}")
@router.get("/v1/blobs/{sha256}", response_class=StreamingResponse)
async def get(
    services: Provided,
    sha256: str,
    request: Request,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The bytes of a blob. They never change, so they may be cached forever."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise NotFound(f"blob: {sha256[:80]!r} is not 64 hex digits; see the job's events for names.")
    if request.method == "HEAD":
        # Whoever asks means to name it in a job without sending it again: no sweep may take it now.
        await asyncio.to_thread(services.store.has, sha256)
    size = await asyncio.to_thread(services.store.size, sha256)
    headers = {
        "ETag": f'"{sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    if if_none_match is not None and sha256 in if_none_match:
        return Response(status_code=304, headers=headers)
    source = await asyncio.to_thread(services.store.open, sha256)
    head = await asyncio.to_thread(source.read, CHUNK)
    headers["Content-Length"] = str(size)
    if request.method == "HEAD":
        await asyncio.to_thread(source.close)
        return Response(headers=headers, media_type=media_type(head))
    return StreamingResponse(_chunks(head, source), headers=headers, media_type=media_type(head))


def media_type(head: bytes) -> str:
    """The type of a picture by its first bytes; anything else is only bytes, never a page."""
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return "application/octet-stream"


def _chunks(head: bytes, source: BinaryIO) -> Iterator[bytes]:
    with source:
        while head:
            yield head
            head = source.read(CHUNK)
