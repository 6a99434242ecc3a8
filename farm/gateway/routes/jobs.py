"""``/v1/jobs``: submitting, listing and looking at jobs."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from farm.client import ids
from farm.errors import InvalidInput
from farm.gateway.admission import admit
from farm.gateway.context import JobBody, JobId, Provided
from farm.spec import JobRecord, JobState, TaskRecord
from farm.spec.farm import Attempt

router = APIRouter(tags=["jobs"])

JOB_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "title": "Job file"}}},
    }
}


class JobPage(BaseModel):
    """Jobs, newest first; ``before`` asks for the next page, null where there is none."""

    jobs: list[JobRecord]
    before: str | None


@router.put("/v1/jobs/{job_id}", openapi_extra=JOB_BODY, status_code=201)
async def put(
    services: Provided, job_id: JobId, job: JobBody, request: Request, response: Response
) -> JobRecord:
    """Submit under an id of your choice: 201 new, 200 the same once more, 409 another job has it."""
    record, created = await admit(services, request.app.state.first_renditions, job_id, job)
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return record


@router.post("/v1/jobs", openapi_extra=JOB_BODY, status_code=201)
async def post(
    services: Provided,
    job: JobBody,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> JobRecord:
    """Submit under a new id, or under the one that belongs to ``Idempotency-Key``."""
    if idempotency_key is None:
        job_id = ids.fresh(services.clock.now())
    else:
        job_id = ids.from_key(idempotency_key)
    return await put(services, job_id, job, request, response)


@router.get("/v1/jobs")
async def jobs(
    services: Provided,
    state: JobState | None = None,
    project: str | None = None,
    label: Annotated[str | None, Query(description="``key=value``, as in the job file.")] = None,
    beginning: Annotated[str | None, Query(max_length=64, description="Of their ids.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(description="The last job of the page before.")] = None,
) -> JobPage:
    """Jobs, newest first."""
    wanted = None if label is None else _label(label)
    found = await asyncio.to_thread(
        services.queue.jobs, state=state, project=project, label=wanted, beginning=beginning,
        limit=limit, before=before,
    )  # fmt: skip
    return JobPage(jobs=found, before=found[-1].id if len(found) == limit else None)


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise InvalidInput(f"label: {text[:100]!r} is not valid; write key=value.", field="label")
    return key, value


@router.get("/v1/jobs/{job_id}")
async def job(services: Provided, job_id: JobId) -> JobRecord:
    """One job."""
    return await asyncio.to_thread(services.queue.job, job_id)


@router.get("/v1/jobs/{job_id}/tasks")
async def tasks(services: Provided, job_id: JobId) -> list[TaskRecord]:
    """The tasks of a job."""
    return await asyncio.to_thread(services.queue.tasks, job_id)


@router.get("/v1/jobs/{job_id}/attempts")
async def attempts(services: Provided, job_id: JobId) -> list[Attempt]:
    """Attempts at the tasks of a job, oldest first: where each ran, and how and why it ended."""
    found = await asyncio.to_thread(services.queue.attempts, job_id)
    return [Attempt.model_validate(record.model_dump()) for record in found]
