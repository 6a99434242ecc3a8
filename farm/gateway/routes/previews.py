"""``POST /v1/previews``: a stylised picture at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Header, Request, Response, UploadFile
from fastapi.responses import StreamingResponse

from farm.errors import InvalidInput
from farm.gateway import pictures, progressive
from farm.gateway.context import Provided
from farm.gateway.hangup import HungUp, while_connected
from farm.gateway.orders import PreviewAnswer, PreviewOrder
from farm.gateway.ports import Services
from farm.gateway.served import Served

router = APIRouter(tags=["previews"])

STYLES = 24
"""At most, of one picture in one request."""
EVENTS = "text/event-stream"
_PRIVATE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_NOBODY = Response(status_code=499)
"""To a client that has gone; the status shows in the metrics."""


def _wanted(
    request: Request,
    size: Annotated[int, Form(ge=64, le=2048, description="Long edge in pixels.")] = 512,
    strength: Annotated[float, Form(ge=0, le=1, description="1 is all style.")] = 0.5,
    deadline: Annotated[
        float | None, Form(gt=0, le=60, description="Seconds after which it is of no use.")
    ] = None,
    budget_usd: Annotated[float | None, Form(gt=0, description="The most it may cost.")] = None,
    cache_control: Annotated[str, Header(description="no-cache: made anew.")] = "",
) -> PreviewOrder:
    """An order that lacks its pictures."""
    return PreviewOrder(
        b"", "", size, strength, deadline=deadline, budget_usd=budget_usd,
        fresh="no-cache" in cache_control, request_id=request.scope["state"]["request_id"],
    )  # fmt: skip


@router.post("/v1/previews", response_class=Response)
async def preview(
    request: Request,
    services: Provided,
    wanted: Annotated[PreviewOrder, Depends(_wanted)],
    content: Annotated[UploadFile, File(description="The picture to be stylised.")],
    style: Annotated[list[UploadFile] | None, File(description="A style picture of your own.")] = None,
    style_name: Annotated[list[str] | None, Form(description="Or a style of the catalogue.")] = None,
    accept: Annotated[str, Header()] = "image/*",
) -> Response:
    """The picture itself; ``X-Farm-…`` headers say what made it, and how long each stage took.

    With ``Accept: text/event-stream`` it comes as ``rendition`` events with the picture in base64, a
    tiny version first; then several styles may be given, which come as soon as each is there.
    """
    served: Served = request.app.state.previews
    data, shape = await _picture(services, content, "content")
    styles = await _styles(services, style or [], style_name or [])
    orders = [replace(wanted, content=data, shape=shape, style=each) for each in styles]
    try:
        if EVENTS in accept:
            return await _events(request, served, orders)
        if len(orders) > 1:
            raise InvalidInput(
                f"style: {len(orders)} are given; send one, or Accept: {EVENTS}.", field="style"
            )
        return _whole(await while_connected(request, served.preview(orders[0])))
    except HungUp:
        return _NOBODY


async def _events(request: Request, served: Served, orders: Sequence[PreviewOrder]) -> Response:
    if len(orders) > 1:
        frames = progressive.many(request, served, orders)
    else:
        first, last = await while_connected(request, progressive.first_frame(served, orders[0]))
        frames = progressive.rest(request, served, orders[0], first, last=last)
    # Proxies that gather answers before they pass them on would undo what this is for.
    return StreamingResponse(frames, media_type=EVENTS, headers=_PRIVATE | {"X-Accel-Buffering": "no"})


def _whole(answer: PreviewAnswer) -> Response:
    headers = {
        "X-Farm-Model": answer.model,
        "X-Farm-Seconds": f"{answer.seconds:.4f}",
        "X-Farm-Size": f"{answer.width}x{answer.height}",
        "X-Farm-Stages": json.dumps({name: round(value, 5) for name, value in answer.stages.items()}),
        "X-Farm-Fidelity": answer.rung,
        **({"X-Farm-Degraded": answer.degraded} if answer.degraded else {}),
        **({"X-Farm-Kept": answer.kept} if answer.kept else {}),
        **_PRIVATE,
    }
    return Response(answer.picture, media_type=answer.media_type, headers=headers)


async def _styles(
    services: Services, files: Sequence[UploadFile], names: Sequence[str]
) -> list[bytes | str]:
    """Own pictures first, then names, each in the order they were sent."""
    if not files and not names:
        raise InvalidInput("style: send a picture as style, or a name as style_name.", field="style")
    if len(files) + len(names) > STYLES:
        raise InvalidInput(
            f"style: {len(files) + len(names)} are more than {STYLES}; send them in several requests.",
            field="style",
        )
    pictures_sent = [(await _picture(services, file, "style"))[0] for file in files]
    return [*pictures_sent, *names]


async def _picture(services: Services, upload: UploadFile, field: str) -> tuple[bytes, tuple[int, int]]:
    data = await upload.read()
    return data, await asyncio.to_thread(pictures.size_of, data, services.settings, field)
