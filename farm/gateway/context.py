"""How routes reach the services: from the app they run in."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Request

from farm.client import ids
from farm.errors import InvalidInput
from farm.gateway.ports import Services
from farm.spec import Job, parse_job


def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def _job_id(job_id: str) -> str:
    return ids.checked(job_id)


async def _submitted(request: Request) -> Job:
    data = read_json(await request.body())
    if not isinstance(data, dict):
        raise InvalidInput("body: a JSON object with the keys of a job file is needed.", field="body")
    return parse_job(data)


def read_json(body: bytes) -> Any:
    """JSON of any kind.

    Raises:
        InvalidInput: it is not JSON; the message has line and column.
    """
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(
            f"body: not JSON ({error.msg.lower()}, {where}); send the job as one JSON object.",
            field="body",
        ) from None
    except (ValueError, RecursionError):
        raise InvalidInput("body: not JSON; send the job as one JSON object.", field="body") from None


Provided = Annotated[Services, Depends(_services)]
JobId = Annotated[str, Depends(_job_id)]
JobBody = Annotated[Job, Depends(_submitted)]
