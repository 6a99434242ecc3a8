"""``/healthz``, ``/readyz``, ``/metrics``: for whoever looks after the farm."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from fastapi import APIRouter, Response

from farm.errors import FarmError
from farm.gateway.context import Provided
from farm.gateway.ports import Services
from farm.spec import JobState

router = APIRouter(tags=["operations"])

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(services: Provided) -> dict[str, Any]:
    """Store and database work; 503 with the reason where one does not."""
    await asyncio.to_thread(services.store.check)
    counts = await asyncio.to_thread(services.queue.counts)
    return {"status": "ready", "jobs": {str(state): count for state, count in counts.items()}}


@router.get("/metrics", response_class=Response)
async def metrics(services: Provided) -> Response:
    """Prometheus text format: what this process measures, and the jobs that the database has now."""
    await asyncio.to_thread(_count_jobs, services)
    return Response(await asyncio.to_thread(services.metrics), media_type=PROMETHEUS_TEXT)


def _count_jobs(services: Services) -> None:
    try:
        counts = {JobState(state): float(n) for state, n in services.queue.counts().items()}
    except FarmError:
        counts = dict.fromkeys(JobState, math.nan)  # neither the last numbers nor none
    for state, number in counts.items():
        if not state.final:
            services.meter.set("farm_jobs", number, state=state.value)
