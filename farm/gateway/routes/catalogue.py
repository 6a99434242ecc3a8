"""``/v1/styles`` and ``/v1/models``: what there is to choose from."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from farm.gateway.context import Provided
from farm.gateway.routes.blobs import media_type

router = APIRouter(tags=["catalogue"])


@router.get("/v1/styles")
async def styles(services: Provided) -> list[dict[str, Any]]:
    """Every style's card: name, title, licence, source."""
    return await asyncio.to_thread(services.catalogue.styles)


@router.get("/v1/styles/{name}")
async def style(services: Provided, name: str) -> dict[str, Any]:
    """One style's card."""
    return await asyncio.to_thread(services.catalogue.style, name)


@router.get("/v1/styles/{name}/picture", response_class=Response)
async def style_picture(services: Provided, name: str) -> Response:
    """A style's picture."""
    data = await asyncio.to_thread(services.catalogue.style_picture, name)
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=media_type(data), headers=headers)


@router.get("/v1/models")
async def models(services: Provided) -> list[dict[str, Any]]:
    """Every model's card."""
    return await asyncio.to_thread(services.catalogue.models)
