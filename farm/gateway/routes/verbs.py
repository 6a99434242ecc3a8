"""``POST /v1/jobs/{id}:verb``: what can be done to a job that is there."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from farm.gateway.context import JobId, Provided
from farm.spec import JobRecord

router = APIRouter(tags=["jobs"])


@router.post("/v1/jobs/{job_id}:pause")
async def pause(services: Provided, job_id: JobId) -> JobRecord:
    """Hold a job back until it is resumed."""
    await asyncio.to_thread(services.queue.pause, job_id)
    return await asyncio.to_thread(services.queue.job, job_id)


@router.post("/v1/jobs/{job_id}:resume")
async def resume(services: Provided, job_id: JobId) -> JobRecord:
    """Release a paused job."""
    await asyncio.to_thread(services.queue.resume, job_id)
    return await asyncio.to_thread(services.queue.job, job_id)


@router.post("/v1/jobs/{job_id}:cancel")
async def cancel(services: Provided, job_id: JobId, reason: str = "") -> JobRecord:
    """Stop a job; what it has made so far stays."""
    await asyncio.to_thread(services.queue.cancel, job_id, reason[:200])
    return await asyncio.to_thread(services.queue.job, job_id)


@router.post("/v1/jobs/{job_id}:retry")
async def retry(services: Provided, job_id: JobId) -> JobRecord:
    """Put a failed or cancelled job back into the queue."""
    await asyncio.to_thread(services.queue.retry_job, job_id)
    return await asyncio.to_thread(services.queue.job, job_id)
