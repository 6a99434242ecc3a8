"""``POST /v1/jobs/{id}:verb``: what can be done to a job that is there."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

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
async def cancel(
    services: Provided,
    job_id: JobId,
    reason: str = "",
    now: Annotated[bool, Query(description="Do not wait for the worker to stop.")] = False,
) -> JobRecord:
    """Stop a job; what it has made so far stays."""
    await asyncio.to_thread(services.queue.cancel, job_id, reason[:200], at_once=now)
    return await asyncio.to_thread(services.queue.job, job_id)


@router.post("/v1/jobs/{job_id}:retry")
async def retry(
    services: Provided,
    job_id: JobId,
    tasks: Annotated[str, Query(description="Names with commas between; default: all of them.")] = "",
) -> JobRecord:
    """Put a job, or those of its tasks, into the queue again that failed or were set aside."""
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if names:
        await asyncio.to_thread(services.queue.retry_tasks, job_id, names)
    else:
        await asyncio.to_thread(services.queue.retry_job, job_id)
    return await asyncio.to_thread(services.queue.job, job_id)
