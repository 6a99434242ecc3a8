"""``GET /v1/jobs/{id}/events``: the log of a job, live or as a list."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from farm.errors import FarmError, InvalidInput
from farm.gateway.context import JobId, Provided
from farm.gateway.ports import Services
from farm.gateway.stream import frames

router = APIRouter(tags=["jobs"])
log = logging.getLogger("farm.gateway")


@router.get("/v1/jobs/{job_id}/events", response_class=StreamingResponse)
async def events(
    services: Provided,
    job_id: JobId,
    request: Request,
    after: Annotated[int | None, Query(ge=0, description="Begin behind this number.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Of a list.")] = 1000,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Server-Sent Events until the job has ended; a list with ``Accept: application/json``."""
    start = _start(last_event_id, after)
    await asyncio.to_thread(services.queue.job, job_id)
    if "application/json" in accept:
        found = await asyncio.to_thread(services.queue.events, job_id, start, limit)
        return JSONResponse([event.model_dump(mode="json") for event in found])
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    body = _counted(services, request.app.state, job_id, start)
    return StreamingResponse(body, media_type="text/event-stream", headers=headers)


def _start(last_event_id: str | None, after: int | None) -> int:
    # The header wins: a browser that reconnects repeats the old URL with a newer Last-Event-ID.
    if last_event_id is None:
        return after or 0
    if not (last_event_id.isascii() and last_event_id.isdecimal()) or len(last_event_id) > 18:
        raise InvalidInput(
            f"Last-Event-ID: {last_event_id[:40]!r} is not a sequence number; send the last id seen.",
            field="Last-Event-ID",
        )
    return int(last_event_id)


async def _counted(services: Services, state: Any, job_id: str, after: int) -> AsyncGenerator[bytes]:
    meter = services.meter
    state.sse_clients += 1
    meter.set("farm_sse_clients", state.sse_clients)
    try:
        with state.news.listener() as bell:
            stream = frames(
                services.queue,
                job_id,
                after,
                bell,
                sent=lambda count: meter.count("farm_events_streamed_total", float(count)),
            )
            async with aclosing(stream):
                async for frame in stream:
                    yield frame
    except FarmError as error:
        # Without its end mark the client knows that there is more, and asks again.
        log.warning("the events of job %s broke off: %s", job_id, error)
    finally:
        state.sse_clients -= 1
        meter.set("farm_sse_clients", state.sse_clients)
