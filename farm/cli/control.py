"""``farm pause``, ``resume``, ``cancel`` and ``retry``: steer a job that was ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.connect import connect
from farm.cli.jobs import standing
from farm.cli.options import FOLLOW, JobId, Json
from farm.cli.out import emit, say

if TYPE_CHECKING:
    from farm.spec import JobRecord


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (pause, resume, cancel, retry):
        app.command(rich_help_panel=FOLLOW)(command)


def pause(job: JobId, json: Json = False) -> None:
    """Hold a job back; what was done so far is kept."""
    with connect() as client:
        _report(client.find(job).pause(), json)


def resume(job: JobId, json: Json = False) -> None:
    """Let a paused job go on."""
    with connect() as client:
        _report(client.find(job).resume(), json)


def cancel(
    job: JobId,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for its worker to end the iteration.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Kept in the job's log.")] = "",
    json: Json = False,
) -> None:
    """Stop a job for good; the best picture so far stays."""
    with connect() as client:
        _report(client.find(job).cancel(reason, now=now), json)


def retry(
    job: JobId,
    tasks: Annotated[
        str, typer.Option(metavar="A,B", help="Only these of its tasks; default: all not done.")
    ] = "",
    json: Json = False,
) -> None:
    """Put a job that failed, was cancelled or was quarantined into the queue again."""
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    with connect() as client:
        _report(client.find(job).retry(names), json)


def _report(record: JobRecord, json: bool) -> None:
    if json:
        emit(record)
    else:
        say(f"{record.id} {standing(record)}")
