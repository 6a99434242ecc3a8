"""What the clients do, step by step and without I/O; the sync and async clients both run these."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from farm.client import _files, jobfile, refs
from farm.client._protocol import Call, Flow, Wait, Work, ask, reach, segment, value
from farm.errors import JobFailed, NotFound, Unavailable, Unreachable
from farm.spec import Event, Job, JobRecord, JobState, Quote, TaskRecord
from farm.spec.event import CancelledEvent, Done, Failed


class _Page(BaseModel):
    jobs: list[JobRecord]


_JOB = TypeAdapter(JobRecord)
_PAGES = TypeAdapter(_Page)
_TASKS = TypeAdapter(list[TaskRecord])
_QUOTE = TypeAdapter(Quote)
_EVENTS: TypeAdapter[list[Event]] = TypeAdapter(list[Event])
_CARD = TypeAdapter(dict[str, Any])
_CARDS = TypeAdapter(list[dict[str, Any]])
_PAGE = 1000
_FEW = 4


def style(name: str) -> Flow[dict[str, Any]]:
    """A style's card."""
    return card(f"/v1/styles/{segment(name)}")


def card(path: str) -> Flow[dict[str, Any]]:
    """One JSON object."""
    return value((yield from ask(Call("GET", path))), _CARD)


def cards(path: str) -> Flow[list[dict[str, Any]]]:
    """A list of JSON objects."""
    return value((yield from ask(Call("GET", path))), _CARDS)


def upload(path: Path, field: str = "path") -> Flow[str]:
    """The sha256 of a file that the farm has now; sent only if it was not there."""
    sha: str = yield Work(partial(_files.digest, path, field))
    known = yield from reach(Call("HEAD", f"/v1/blobs/{sha}"))
    if not known.is_success:
        answer = yield from ask(Call("PUT", "/v1/blobs", body=path))
        kept = value(answer, _CARD).get("sha256")
        if kept != sha:
            raise Unavailable(f"{field}: {str(path)!r} changed while it was sent; send it again.")
    return sha


def uploaded(job: Job) -> Flow[Job]:
    """The job with its local pictures uploaded and named by hash; each file is sent once."""
    done: dict[Path, str] = {}
    found: dict[str, str] = {}
    for field, path in jobfile.pictures(job):
        if path not in done:
            done[path] = yield from upload(path, field)
        found[field] = refs.PREFIX + done[path]
    return refs.replaced(job, found)


def quote(job: Job) -> Flow[Quote]:
    """What a job would cost."""
    ready = yield from uploaded(job)
    return value((yield from ask(Call("POST", "/v1/quotes", body=_body(ready)))), _QUOTE)


def submit(job: Job, job_id: str) -> Flow[JobRecord]:
    """The job, accepted under an id chosen here, so that sending it again is harmless."""
    ready = yield from uploaded(job)
    return value((yield from ask(Call("PUT", _job(job_id), body=_body(ready)))), _JOB)


def record(job_id: str) -> Flow[JobRecord]:
    """A job as it stands."""
    return value((yield from ask(Call("GET", _job(job_id)))), _JOB)


def tasks(job_id: str) -> Flow[list[TaskRecord]]:
    """A job's tasks."""
    return value((yield from ask(Call("GET", f"{_job(job_id)}/tasks"))), _TASKS)


def find(beginning: str) -> Flow[str]:
    """The id that is this, or the only one that begins so.

    Raises:
        NotFound: there is none, or more than one; the sentence lists a few.
    """
    try:
        return (yield from record(beginning)).id
    except NotFound:
        params: dict[str, str | int] = {"beginning": beginning, "limit": _FEW + 1}
        page = value((yield from ask(Call("GET", "/v1/jobs", params=params))), _PAGES)
        # A farm of before this was a parameter lists all of its jobs.
        found = [job.id for job in page.jobs if job.id.startswith(beginning)]
        if not found:
            raise
    if len(found) > 1:
        listed = ", ".join(found[:_FEW]) + (", …" if len(found) > _FEW else "")
        raise NotFound(
            f"job: {beginning!r} begins more than one id ({listed}); write more of it.", field="job"
        )
    return found[0]


def jobs(
    state: JobState | str | None,
    project: str | None,
    label: tuple[str, str] | None,
    limit: int,
    before: str | None,
) -> Flow[list[JobRecord]]:
    """Jobs, newest first."""
    wanted: dict[str, str | int | None] = {
        "state": str(state) if state is not None else None,
        "project": project,
        "label": "=".join(label) if label is not None else None,
        "limit": limit,
        "before": before,
    }
    params = {name: item for name, item in wanted.items() if item is not None}
    return value((yield from ask(Call("GET", "/v1/jobs", params=params))), _PAGES).jobs


def verb(job_id: str, name: str, params: Mapping[str, str] | None = None) -> Flow[JobRecord]:
    """Pause, resume, cancel or retry a job."""
    call = Call("POST", f"{_job(job_id)}:{name}", params=params or {})
    return value((yield from ask(call)), _JOB)


def events(job_id: str, after: int = 0) -> Flow[list[Event]]:
    """All events there are now, page by page."""
    found: list[Event] = []
    while True:
        params = {"after": after, "limit": _PAGE}
        call = Call(
            "GET", f"{_job(job_id)}/events", params=params, headers={"Accept": "application/json"}
        )
        page = value((yield from ask(call)), _EVENTS)
        found.extend(page)
        if len(page) < _PAGE:
            return found
        after = page[-1].seq


def download(sha256: str, path: Path) -> Flow[Path]:
    """A blob as a local file."""
    sink = partial(_files.arriving, path, sha256)
    yield from ask(Call("GET", f"/v1/blobs/{segment(sha256)}", sink=sink))
    return path


def result(job_id: str, timeout: float | None, now: Callable[[], float]) -> Flow[Done]:
    """Wait for a job's end, also while the farm is away.

    Raises:
        JobFailed: it failed or was cancelled.
        TimeoutError: it has not ended ``timeout`` seconds from now.
        Unreachable: the farm was away when they had passed.
    """
    until = math.inf if timeout is None else now() + timeout
    pause = 0.1
    while True:
        try:
            current = yield from record(job_id)
            if current.state.final:
                return ended(job_id, (yield from _last_final(job_id, current.seq)))
        except Unreachable:
            if now() >= until:
                raise
        else:
            if now() >= until:
                raise TimeoutError(
                    f"job {job_id} has not ended after {timeout:g} s; it goes on by itself."
                )
        yield Wait(min(pause, max(0.0, until - now())))
        pause = min(pause * 1.5, 1.0)


def ended(job_id: str, event: Event | None) -> Done:
    """The good end of a job.

    Raises:
        JobFailed: it was another end.
    """
    if isinstance(event, Done):
        return event
    if isinstance(event, Failed):
        raise JobFailed(f"job {job_id} failed: {event.reason}")
    if isinstance(event, CancelledEvent):
        why = f" ({event.reason})" if event.reason else ""
        raise JobFailed(f"job {job_id} was cancelled{why}; 'farm retry {job_id}' puts it back.")
    raise JobFailed(f"job {job_id} ended without saying how; 'farm show {job_id}' has its log.")


def _last_final(job_id: str, newest: int) -> Flow[Event | None]:
    # The end is the newest event but for a late rendition or two.
    for after in (max(0, newest - 20), 0):
        for event in reversed((yield from events(job_id, after))):
            if isinstance(event, Done | Failed | CancelledEvent):
                return event
    return None


def _job(job_id: str) -> str:
    return f"/v1/jobs/{segment(job_id)}"


def _body(job: Job) -> bytes:
    return json.dumps(job.model_dump(mode="json")).encode()
