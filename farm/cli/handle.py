"""Previews through a handle of the interactive tier, as the gateway wants them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from farm.catalog import Catalogue
from farm.catalog.identity import watched
from farm.errors import FarmError
from farm.gateway.orders import Nets, PreviewAnswer, PreviewOrder

log = logging.getLogger("farm.gateway")

PREVIEW = "farm-preview"


class HandlePreviews:
    """The deployment ``Previews`` behind its handle. A replica that is lost is asked again, once."""

    def __init__(self, handle: Any, catalogue: Catalogue) -> None:
        self._handle = handle
        self._weights = watched(catalogue, PREVIEW)
        self._light: float | None = None

    def nets(self) -> Nets:
        """The weights on disk now, and what a replica last said of its light net."""
        return Nets(self._weights(), self._light)

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        """Raises whatever the replica raised."""
        from farm.tiers.interactive import is_lost

        try:
            return await self._asked(order)
        except Exception as error:
            if not is_lost(error):
                raise
            log.warning("the replica that made a preview is lost; another one makes it")
        return await self._asked(order)

    async def _asked(self, order: PreviewOrder) -> PreviewAnswer:
        answer = self._handle.preview.remote(
            order.content, order.style, order.size, order.strength, order.light, order.request_id
        )
        try:
            made = await answer
        except asyncio.CancelledError:
            # Nobody waits for it any more: not begun, it never is.
            answer.cancel()
            raise
        except Exception as error:
            # Ray wraps what a replica raised; people should read the sentence inside.
            cause = getattr(error, "cause", None)
            if isinstance(cause, FarmError):
                raise cause from None
            raise
        self._light = made.light_share
        result = made.result
        return PreviewAnswer(
            result.picture, result.media_type, result.width, result.height, result.model,
            sum(result.stages.values()), result.stages, made.weights,
            "light" if made.light else "full", made.instead,
        )  # fmt: skip
