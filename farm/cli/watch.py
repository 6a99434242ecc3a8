"""``farm watch``: follow a job until it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import view
from farm.cli.connect import connect
from farm.cli.options import FOLLOW, JobId, Json
from farm.cli.out import messages
from farm.errors import Cancelled

if TYPE_CHECKING:
    from farm.client import JobHandle


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=FOLLOW)(watch)


def watch(
    job: JobId,
    after: Annotated[int, typer.Option(min=0, help="Begin after this sequence number.")] = 0,
    json: Json = False,
) -> None:
    """Follow a job until it has ended; the exit code says how."""
    with connect() as client:
        follow(client.job(job), json=json, after=after)


def follow(job: JobHandle, *, json: bool, after: int = 0) -> None:
    """Show the events of ``job`` until it has ended, then exit 0 if it is done and 1 if not.

    Raises:
        Cancelled: the person stopped watching; the job goes on.
    """
    try:
        events = job.events(after=after)
        code = view.watch_json(events) if json else view.watch(events, messages())
    except KeyboardInterrupt:
        raise Cancelled(
            f"stopped watching, the job goes on; 'farm watch {job.id}' follows it again and "
            f"'farm cancel {job.id}' stops it."
        ) from None
    if code == view.DONE and not json:
        messages().print(f"Fetch the pictures with: farm fetch {job.id} -o {job.id}", soft_wrap=True)
    raise typer.Exit(code)
