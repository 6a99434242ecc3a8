"""``farm watch``: follow a job until it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import view
from farm.cli.connect import connect
from farm.cli.options import FOLLOW, JobId, Json
from farm.cli.out import messages
from farm.errors import Cancelled, Unreachable

if TYPE_CHECKING:
    from farm.client import JobHandle


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=FOLLOW)(watch)


def watch(
    job: JobId,
    after: Annotated[int, typer.Option(min=0, help="Begin after this sequence number.")] = 0,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Stop watching then; default: at the job's end."),
    ] = None,
    json: Json = False,
) -> None:
    """Follow a job until it has ended; the exit code says how. A farm that is away is waited for."""
    with connect() as client:
        follow(client.find(job), json=json, after=after, timeout=timeout)


def follow(job: JobHandle, *, json: bool, after: int = 0, timeout: float | None = None) -> None:
    """Show the events of ``job`` until it has ended, then exit 0 if it is done and 1 if not.

    Raises:
        Cancelled: the person stopped watching, or ``timeout`` seconds have passed; the job goes on.
        Unreachable: the farm was away when they had passed.
    """
    console = messages()

    def away(why: Unreachable | None) -> None:
        if why is None:
            console.print("the farm is back")
        else:
            console.print(f"the farm is away, waiting … ({why.message})", soft_wrap=True)

    try:
        events = job.events(after=after, timeout=timeout, away=away)
        code = view.watch_json(events) if json else view.watch(events, console)
    except (KeyboardInterrupt, TimeoutError):
        raise Cancelled(
            f"stopped watching, the job goes on; 'farm watch {job.id}' follows it again and "
            f"'farm cancel {job.id}' stops it."
        ) from None
    if code == view.DONE and not json:
        console.print(f"Fetch the pictures with: farm fetch {job.id} -o {job.id}", soft_wrap=True)
    raise typer.Exit(code)
