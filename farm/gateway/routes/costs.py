"""``/v1/costs``, ``/v1/waits``, a job's cost and a project's cap: what was spent, and on what."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from farm.errors import InvalidInput
from farm.gateway.context import JobId, Provided
from farm.gateway.ports import Services
from farm.gateway.routes.farm import ProjectName, project_of
from farm.spec.cost import CostLine, Grouping, JobCost, Period, Wait
from farm.spec.farm import Project

router = APIRouter(tags=["costs"])

DAY_SECONDS = 86_400.0
MOST_DAYS = 366


class Cap(BaseModel):
    """What a project may spend in each period."""

    model_config = ConfigDict(extra="forbid")

    cap_usd: float | None = Field(ge=0, allow_inf_nan=False, description="null: no cap.")
    period: Period = Field(default="month", description="In UTC; weeks begin on Monday.")


@router.get("/v1/costs")
async def costs(
    services: Provided,
    by: Grouping = "project",
    since: Annotated[date | None, Query(description="First day that counts, UTC.")] = None,
    until: Annotated[date | None, Query(description="Last day that counts, UTC.")] = None,
    project: str | None = None,
    tag: Annotated[str | None, Query(description="``key=value``, a label of the jobs.")] = None,
) -> list[CostLine]:
    """Costs of all attempts by project, feature, pool or day, and quotes against them."""
    wanted = None if tag is None else _tag(tag)
    found = await asyncio.to_thread(
        services.queue.costs, by, first=_moment(since), last=_moment(until), project=project, tag=wanted
    )
    return list(found)


@router.get("/v1/jobs/{job_id}/cost")
async def cost(services: Provided, job_id: JobId) -> JobCost:
    """A job's quote against what it took, with each of its attempts."""
    return await asyncio.to_thread(_cost, services, job_id)


@router.put("/v1/projects/{name}/cap")
async def set_cap(services: Provided, name: ProjectName, cap: Cap) -> Project:
    """Set what a project may spend; what it has spent and promised already counts."""
    await asyncio.to_thread(services.queue.set_cap, name, cap.cap_usd, cap.period)
    return await asyncio.to_thread(project_of, services, name)


@router.get("/v1/waits")
async def waits(
    services: Provided,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="Of jobs accepted in so many.")] = 7,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[Wait]:
    """How long people waited for the first and the final picture of each job, newest first."""
    since = services.clock.now() - days * DAY_SECONDS
    return list(await asyncio.to_thread(services.queue.waits, since, limit))


def _cost(services: Services, job_id: str) -> JobCost:
    found = services.queue.cost(job_id)
    return found.model_copy(update={"runs": tuple(services.queue.runs(job_id))})


def _moment(day: date | None) -> float | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise InvalidInput(f"tag: {text[:100]!r} is not valid; write key=value.", field="tag")
    return key, value
