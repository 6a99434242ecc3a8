"""``farm jobs`` and ``farm show``: what was ordered and how it stands."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from farm.cli.connect import connect
from farm.cli.lines import line
from farm.cli.options import FOLLOW, JobId, Json
from farm.cli.out import emit, moment, say, table
from farm.spec import JobState


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=FOLLOW)(jobs)
    app.command(rich_help_panel=FOLLOW)(show)


def jobs(
    state: Annotated[JobState | None, typer.Option(help="Only those in this state.")] = None,
    project: Annotated[str | None, typer.Option(help="Only those of this project.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    with connect() as client:
        records = client.jobs(state=state, project=project, limit=limit)
    if json:
        emit(records)
        return
    table(
        ("JOB", "KIND", "STATE", "PROJECT", "PRIORITY", "CREATED", "WHY"),
        [
            (r.id, r.spec.kind, r.state, r.project, r.priority, moment(r.created_at), r.reason)
            for r in records
        ],
    )


def show(job: JobId, json: Json = False) -> None:
    """Show one job: its state, its tasks and what has happened to it."""
    with connect() as client:
        handle = client.job(job)
        record, tasks = handle.record(), handle.tasks()
        if json:
            emit({"job": record, "tasks": tasks})
            return
        # Its log has no gaps, so as many events as its newest one's number are there without waiting.
        events = list(islice(handle.events(), record.seq))
    say(f"{record.id}  {record.spec.kind}  {record.state}  {record.reason}".rstrip())
    for task in tasks:
        worker = f" on {task.worker}" if task.worker else ""
        say(f"  task {task.id}  {task.state}  attempt {task.attempt}{worker}")
    for event in events:
        text = line(event)
        if text is not None:
            say(f"  {event.seq:>5}  {moment(event.at)}  {text}")
