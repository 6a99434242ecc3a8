"""``farm jobs``: what was ordered and how it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import FOLLOW, Json
from farm.cli.out import emit, messages, moment, table
from farm.errors import InvalidInput
from farm.spec import JobRecord, JobState


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=FOLLOW)(jobs)


def jobs(
    state: Annotated[JobState | None, typer.Option(help="Only those in this state.")] = None,
    project: Annotated[str | None, typer.Option(help="Only those of this project.")] = None,
    label: Annotated[
        str | None, typer.Option(metavar="KEY=VALUE", help="Only those with this label.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="JOB", help="Only those ordered before this one.")
    ] = None,
    json: Json = False,
) -> None:
    """List jobs, newest first; as JSON, one on a line."""
    wanted = None if label is None else _label(label)
    with connect() as client:
        found = client.jobs(state=state, project=project, label=wanted, limit=limit, before=before)
    if json:
        for record in found:
            emit(record)
        return
    if not found:
        messages().print("There are no such jobs.")
        return
    headings = ("JOB", "KIND", "STATE", "PROJECT", "PRIORITY", "ORDERED (UTC)", "TASKS", "WHY")
    table(headings, map(_row, found))
    if len(found) == limit:
        messages().print(f"There may be more; add: --before {found[-1].id}", soft_wrap=True)


def _row(record: JobRecord) -> tuple[object, ...]:
    return (
        record.id, record.spec.kind, standing(record), record.project, record.priority,
        moment(record.created_at), counted(record.tasks), record.reason,
    )  # fmt: skip


def standing(record: JobRecord) -> str:
    """Its state, and what it is about to be."""
    if record.state.final:
        return record.state
    if record.cancel_requested:
        return f"{record.state}, stopping"
    pausing = record.pause_requested and record.state is not JobState.PAUSED
    return f"{record.state}, pausing" if pausing else record.state


def counted(tasks: dict[str, int]) -> str:
    """Tasks by state, where there are several; a single one says no more than its job."""
    if sum(tasks.values()) < 2:
        return ""
    return ", ".join(f"{number} {state}" for state, number in tasks.items() if number)


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise InvalidInput(f"label: {text!r} is not valid; write KEY=VALUE.", field="label")
    return key, value
