"""``POST /v1/quotes``: what a job would cost; nothing is queued."""

from __future__ import annotations

from fastapi import APIRouter

from farm.gateway import admission, pictures
from farm.gateway.context import JobBody, Provided
from farm.gateway.routes.jobs import JOB_BODY
from farm.spec import Quote

router = APIRouter(tags=["quotes"])


@router.post("/v1/quotes", openapi_extra=JOB_BODY)
async def quote(services: Provided, job: JobBody) -> Quote:
    """The quote for a job whose content is a blob that is here, with the ways that were passed over."""
    return await admission.quote_with_notes(services, job, await pictures.content_size(services, job))
