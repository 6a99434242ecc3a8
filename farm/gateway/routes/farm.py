"""``/v1/farm``, ``/v1/projects``, ``/v1/nodes``: the farm as its operator sees it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from farm.errors import FarmError, NotFound
from farm.gateway.context import Provided
from farm.gateway.ports import Services
from farm.spec.cost import Account
from farm.spec.farm import Dispatcher, FarmView, Node, Process, Project
from farm.spec.job import NAME

router = APIRouter(tags=["operations"])

ProjectName = Annotated[str, Path(pattern=NAME)]


class Share(BaseModel):
    """What a project may have of the farm."""

    model_config = ConfigDict(extra="forbid")

    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="Beside other projects.")
    max_running: int | None = Field(
        default=None, ge=0, description="Most tasks at a time; 0 holds all back, null: no limit."
    )


@router.get("/v1/farm")
async def farm(services: Provided) -> FarmView:
    """Processes, jobs by state, projects, nodes; what cannot be found out is named in ``problems``."""
    return await asyncio.to_thread(view, services)


@router.get("/v1/projects")
async def projects(services: Provided) -> list[Project]:
    """Every project's weight, limit, running and ready tasks."""
    return await asyncio.to_thread(_projects, services)


@router.put("/v1/projects/{name}")
async def set_project(services: Provided, name: ProjectName, share: Share) -> Project:
    """Set a project's share; a project need not have jobs yet."""
    await asyncio.to_thread(
        services.queue.set_project, name, weight=share.weight, max_running=share.max_running
    )
    return await asyncio.to_thread(project_of, services, name)


@router.get("/v1/nodes")
async def nodes(services: Provided) -> list[Node]:
    """Machines on which tasks have failed, and which of them get no more tasks."""
    return await asyncio.to_thread(_nodes, services)


@router.post("/v1/nodes/{node}:readmit")
async def readmit(services: Provided, node: str) -> Node:
    """Give a machine tasks again, with its failures forgotten."""
    if node not in {known.name for known in await asyncio.to_thread(_nodes, services)}:
        raise NotFound(f"node: {node[:100]!r} is not known; 'farm nodes' lists what is.", field="node")
    await asyncio.to_thread(services.queue.readmit, node)
    found = await asyncio.to_thread(_nodes, services)
    return next((known for known in found if known.name == node), Node(name=node))


def view(services: Services) -> FarmView:
    """The farm at this moment.

    Raises:
        Unavailable: the database does not work.
    """
    problems: list[str] = []
    processes: tuple[Process, ...] = ()
    dispatcher: Dispatcher | None = None
    try:
        processes = tuple(services.tiers.processes())
    except FarmError as error:
        problems.append(error.message)
    try:
        dispatcher = services.tiers.dispatcher()
    except FarmError as error:
        problems.append(error.message)
    return FarmView(
        version=services.tiers.version(),
        dispatcher=dispatcher,
        jobs={str(state): number for state, number in services.queue.counts().items()},
        projects=tuple(_projects(services)),
        nodes=tuple(_nodes(services)),
        processes=processes,
        problems=tuple(problems),
    )


def project_of(services: Services, name: str) -> Project:
    """A project that was named before."""
    return next(project for project in _projects(services) if project.name == name)


def _projects(services: Services) -> list[Project]:
    spent = {account.project: account for account in services.queue.accounts()}
    shares = (record.model_dump() for record in services.queue.projects())
    return [Project.model_validate(share | _money(spent.get(share["name"]))) for share in shares]


def _money(account: Account | None) -> dict[str, Any]:
    return {} if account is None else account.model_dump(exclude={"project"})


def _nodes(services: Services) -> list[Node]:
    return [Node.model_validate(record.model_dump()) for record in services.queue.nodes()]
