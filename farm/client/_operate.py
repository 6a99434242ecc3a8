"""What operators do through the clients, step by step and without I/O."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

from pydantic import TypeAdapter

from farm.client import _flows
from farm.client._protocol import Call, Flow, ask, segment, value
from farm.spec import JobRecord
from farm.spec.cost import CostLine, Grouping, JobCost, Period
from farm.spec.farm import Attempt, FarmView, Node, Project

_VIEW = TypeAdapter(FarmView)
_PROJECT = TypeAdapter(Project)
_PROJECTS = TypeAdapter(list[Project])
_NODE = TypeAdapter(Node)
_NODES = TypeAdapter(list[Node])
_COST = TypeAdapter(JobCost)
_COSTS = TypeAdapter(list[CostLine])
_ATTEMPTS = TypeAdapter(list[Attempt])


def farm() -> Flow[FarmView]:
    """The whole farm."""
    return value((yield from ask(Call("GET", "/v1/farm"))), _VIEW)


def projects() -> Flow[list[Project]]:
    """Every project."""
    return value((yield from ask(Call("GET", "/v1/projects"))), _PROJECTS)


def set_project(name: str, weight: float, max_running: int | None) -> Flow[Project]:
    """A project with its new share."""
    body = json.dumps({"weight": weight, "max_running": max_running}).encode()
    call = Call("PUT", f"/v1/projects/{segment(name)}", body=body)
    return value((yield from ask(call)), _PROJECT)


def set_cap(name: str, cap_usd: float | None, period: Period) -> Flow[Project]:
    """A project with its new cap."""
    body = json.dumps({"cap_usd": cap_usd, "period": period}).encode()
    call = Call("PUT", f"/v1/projects/{segment(name)}/cap", body=body)
    return value((yield from ask(call)), _PROJECT)


def costs(
    by: Grouping, since: date | None, until: date | None, project: str | None,
    tag: tuple[str, str] | None,
) -> Flow[list[CostLine]]:  # fmt: skip
    """Costs summed up."""
    wanted = {
        "by": by,
        "since": since.isoformat() if since is not None else None,
        "until": until.isoformat() if until is not None else None,
        "project": project,
        "tag": "=".join(tag) if tag is not None else None,
    }
    params = {name: item for name, item in wanted.items() if item is not None}
    return value((yield from ask(Call("GET", "/v1/costs", params=params))), _COSTS)


def cost(job_id: str) -> Flow[JobCost]:
    """A job's quote against what it took."""
    return value((yield from ask(Call("GET", f"/v1/jobs/{segment(job_id)}/cost"))), _COST)


def nodes() -> Flow[list[Node]]:
    """Every node."""
    return value((yield from ask(Call("GET", "/v1/nodes"))), _NODES)


def readmit(node: str) -> Flow[Node]:
    """A node that is given tasks again."""
    return value((yield from ask(Call("POST", f"/v1/nodes/{segment(node)}:readmit"))), _NODE)


def attempts(job_id: str) -> Flow[list[Attempt]]:
    """Attempts at a job's tasks."""
    return value((yield from ask(Call("GET", f"/v1/jobs/{segment(job_id)}/attempts"))), _ATTEMPTS)


def cancel(job_id: str, reason: str, now: bool) -> Flow[JobRecord]:
    """A job that is stopped, or is being stopped."""
    params = {"reason": reason, **({"now": "true"} if now else {})}
    return _flows.verb(job_id, "cancel", params)


def retry(job_id: str, tasks: Sequence[str]) -> Flow[JobRecord]:
    """A job that is queued again."""
    return _flows.verb(job_id, "retry", {"tasks": ",".join(tasks)} if tasks else None)
