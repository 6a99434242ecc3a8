"""``POST /v1/previews``: a stylised picture at once."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile

from farm.errors import InvalidInput
from farm.gateway import pictures
from farm.gateway.context import Provided
from farm.gateway.ports import PreviewOrder, Services

router = APIRouter(tags=["previews"])


@router.post("/v1/previews", response_class=Response)
async def preview(
    services: Provided,
    content: Annotated[UploadFile, File(description="The picture to be stylised.")],
    style: Annotated[UploadFile | None, File(description="A style picture of your own.")] = None,
    style_name: Annotated[str | None, Form(description="Or a style of the catalogue.")] = None,
    size: Annotated[int, Form(ge=64, le=2048, description="Long edge in pixels.")] = 512,
    strength: Annotated[float, Form(ge=0, le=1, description="1 is all style.")] = 0.5,
) -> Response:
    """The picture itself; ``X-Farm-…`` headers say what made it, and how long each stage took."""
    order = PreviewOrder(
        content=await _picture(services, content, "content"),
        style=await _style(services, style, style_name),
        size=size,
        strength=strength,
    )
    answer = await services.previews.preview(order)
    headers = {
        "X-Farm-Model": answer.model,
        "X-Farm-Seconds": f"{answer.seconds:.4f}",
        "X-Farm-Size": f"{answer.width}x{answer.height}",
        "X-Farm-Stages": json.dumps({name: round(value, 5) for name, value in answer.stages.items()}),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(answer.picture, media_type=answer.media_type, headers=headers)


async def _style(services: Services, style: UploadFile | None, name: str | None) -> bytes | str:
    if (style is None) == (name is None):
        raise InvalidInput("style: send exactly one of style and style_name.", field="style")
    if style is not None:
        return await _picture(services, style, "style")
    assert name is not None
    await asyncio.to_thread(services.catalogue.style, name)
    return name


async def _picture(services: Services, upload: UploadFile, field: str) -> bytes:
    data = await upload.read()
    await asyncio.to_thread(pictures.size_of, data, services.settings, field)
    return data
