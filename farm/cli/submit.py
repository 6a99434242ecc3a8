"""``farm submit``: order a picture."""

from __future__ import annotations

from typing import Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import MAKE, JobFile, Json, Overrides
from farm.cli.out import emit, messages, say
from farm.cli.watch import follow
from farm.cli.wishes import Deadline, MaxCost, wished


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(submit)


def submit(
    jobfile: JobFile,
    overrides: Overrides = None,
    id: Annotated[str | None, typer.Option(help="The job's id; default: a new one.")] = None,
    key: Annotated[str | None, typer.Option(help="Sent twice, the same key makes one job.")] = None,
    max_cost: MaxCost = None,
    deadline: Deadline = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it has ended.")] = False,
    json: Json = False,
) -> None:
    """Order what a job file describes; prints the job's id."""
    wishes = wished(overrides, max_cost, deadline)
    with connect() as client:
        job = client.submit(jobfile, key=key, id=id, overrides=wishes)
        if json:
            emit({"id": job.id})
        else:
            say(job.id)
        if watch:
            follow(job, json=json)
        elif not json:
            messages().print(f"Follow it with: farm watch {job.id}")
