"""``farm pause``, ``resume``, ``cancel`` and ``retry``: steer a job that was ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from farm.cli.connect import connect
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
        _report(client.job(job).pause(), json)


def resume(job: JobId, json: Json = False) -> None:
    """Let a paused job go on."""
    with connect() as client:
        _report(client.job(job).resume(), json)


def cancel(job: JobId, json: Json = False) -> None:
    """Stop a job for good."""
    with connect() as client:
        _report(client.job(job).cancel(), json)


def retry(job: JobId, json: Json = False) -> None:
    """Put a failed or cancelled job into the queue again."""
    with connect() as client:
        _report(client.job(job).retry(), json)


def _report(record: JobRecord, json: bool) -> None:
    if json:
        emit(record)
    else:
        stopping = " (stopping)" if record.cancel_requested and not record.state.final else ""
        say(f"{record.id} {record.state}{stopping}")
