"""``farm fetch``: bring a job's pictures here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import FOLLOW, JobId, Json
from farm.cli.out import emit, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=FOLLOW)(fetch)


def fetch(
    job: JobId,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to put them in; default: the id."),
    ] = None,
    json: Json = False,
) -> None:
    """Copy every picture a job has made so far into a folder; prints their paths."""
    with connect() as client:
        found = client.find(job)
        paths = found.fetch(out or Path(found.id))
    if json:
        emit({"files": [str(path) for path in paths]})
        return
    for path in paths:
        say(str(path))
