"""Previews as Server-Sent Events: one of a few pixels first, then the one that was asked for."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from farm.errors import FarmError
from farm.gateway.hangup import HungUp, while_connected
from farm.gateway.orders import PreviewAnswer, PreviewOrder
from farm.gateway.problem import body_of
from farm.gateway.served import Served

TINY = 96
"""Long edge of the first version, in pixels."""
PAGE_PATIENCE = 5.0
"""Seconds within which the last of several styles is to be there, unless a deadline is given."""


def frame(name: str, data: Mapping[str, Any]) -> bytes:
    """One event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def rendition(answer: PreviewAnswer, *, style: int = 0, first: bool = False) -> bytes:
    """A picture as an event; its ``fidelity`` is ``tiny``, or the rung of the ladder.

    Args:
        style: which of the styles that were asked for, counted from 0.
    """
    data = {
        "style": style,
        "fidelity": "tiny" if first else answer.rung,
        "degraded": answer.degraded,
        "kept": answer.kept,
        "media_type": answer.media_type,
        "width": answer.width,
        "height": answer.height,
        "model": answer.model,
        "seconds": round(answer.seconds, 4),
        "stages": {name: round(value, 5) for name, value in answer.stages.items()},
        "picture": base64.b64encode(answer.picture).decode(),
    }
    return frame("rendition", data)


async def first_frame(served: Served, order: PreviewOrder) -> tuple[bytes, bool]:
    """The first event, and whether it is the last of its picture: made before, or as small anyway.

    Raises as ``Served.preview``: what cannot be begun is refused by status.
    """
    kept = await served.ready(order)
    if kept is not None:
        return rendition(kept), True
    if order.size <= 2 * TINY:
        return rendition(await served.preview(order)), True
    return rendition(await served.preview(replace(order, size=TINY)), first=True), False


async def rest(
    request: Request, served: Served, order: PreviewOrder, first: bytes, *, last: bool
) -> AsyncGenerator[bytes]:
    """The events of one preview after its first has been made."""
    yield first
    if not last:
        try:
            yield rendition(await while_connected(request, served.preview(order)))
        except HungUp:
            return
        except FarmError as error:
            yield frame("problem", body_of(error, order.request_id))
    yield frame("end", {})


async def many(
    request: Request, served: Served, orders: Sequence[PreviewOrder]
) -> AsyncGenerator[bytes]:
    """The same picture in several styles, each as soon as it is there.

    They are ordered at once, so that they go through the net together. A page of them fills by and by,
    so each may wait longer than one that is asked for by itself, and not be turned away for the others.
    """
    orders = [replace(order, deadline=order.deadline or PAGE_PATIENCE) for order in orders]
    running = [asyncio.create_task(_numbered(served, i, order)) for i, order in enumerate(orders)]
    try:
        for done in asyncio.as_completed(running):
            yield await while_connected(request, _of(done))
        yield frame("end", {})
    except HungUp:
        return
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _of(done: Any) -> bytes:
    found: bytes = await done
    return found


async def _numbered(served: Served, number: int, order: PreviewOrder) -> bytes:
    try:
        return rendition(await served.preview(order), style=number)
    except FarmError as error:
        return frame("problem", {**body_of(error, order.request_id), "style": number})
