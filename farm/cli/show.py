"""``farm show``: one job, its tasks and attempts, what it waits for and what has happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.connect import connect
from farm.cli.costs import against
from farm.cli.jobs import counted, standing
from farm.cli.lines import line
from farm.cli.options import FOLLOW, JobId, Json
from farm.cli.out import emit, moment, say, table
from farm.cli.status import NODE_DIGITS
from farm.cli.waiting import waits
from farm.clock import SystemClock
from farm.errors import NotFound
from farm.spec import Event, JobRecord, TaskRecord, TaskState
from farm.spec.cost import JobCost
from farm.spec.farm import Attempt
from farm.spec.words import duration

if TYPE_CHECKING:
    from farm.client import Client

MOST_ROWS = 30
"""Of a table on the screen; JSON has all."""
WORKER_LETTERS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=FOLLOW)(show)


def show(
    job: JobId,
    events: Annotated[bool, typer.Option(help="Show the log, too.")] = True,
    json: Json = False,
) -> None:
    """Show one job: how it stands, what it waits for, its tasks and attempts, and its log."""
    now = SystemClock().now()
    with connect() as client:
        handle = client.find(job)
        record, tasks, attempts = handle.record(), handle.tasks(), handle.attempts()
        # Its log has no gaps, so as many events as its newest one's number are there without waiting.
        log = list(islice(handle.events(), record.seq))
        reasons = _waits(client, record, tasks, log, now)
        cost = handle.cost()
    if json:
        emit({"job": record, "tasks": tasks, "attempts": attempts, "waits": reasons, "cost": cost})
        return
    _head(record, cost, reasons)
    if len(tasks) > 1:
        _tasks_table(tasks)
    if attempts:
        _attempts_table(attempts, now)
    if events:
        _log(log)


def _waits(
    client: Client, record: JobRecord, tasks: Sequence[TaskRecord], log: Sequence[Event], now: float
) -> list[str]:
    """What it waits for; the other jobs and its project are asked for only where they matter."""
    if record.state.final:
        return waits(record, tasks, {}, None, log, now)
    before = {name: _found(client, name) for name in record.spec.after}
    view = client.farm()
    project = next((p for p in view.projects if p.name == record.project), None)
    note = view.dispatcher.note if view.dispatcher else " ".join(view.problems)
    return waits(record, tasks, before, project, log, now, note)


def _found(client: Client, job: str) -> JobRecord | None:
    try:
        return client.job(job).record()
    except NotFound:
        return None


def _head(record: JobRecord, cost: JobCost, reasons: Sequence[str]) -> None:
    why = f"  {record.reason}" if record.reason else ""
    say(f"{record.id}  {record.spec.kind}  {standing(record)}{why}")
    facts = {
        "project": f"{record.project}, priority {record.priority}",
        "ordered": f"{moment(record.created_at)}, last change {moment(record.updated_at)} (UTC)",
        "labels": ", ".join(f"{key}={value}" for key, value in record.spec.labels.items()),
        "after": ", ".join(record.spec.after),
        "tasks": counted(record.tasks),
        "cost": against(cost),
    }
    for name, value in facts.items():
        if value:
            say(f"  {name:<8} {value}")
    for reason in reasons:
        say(f"  waits    {reason}" if not record.state.final else f"  next     {reason}")


def _tasks_table(tasks: Sequence[TaskRecord]) -> None:
    """What is not done comes first: that is what people look for."""
    ordered = sorted(tasks, key=lambda task: task.state is TaskState.DONE)
    say("")
    table(
        ("TASK", "STATE", "ATTEMPTS", "FAILURES", "LOSSES", "WORKER", "AFTER"),
        [
            (t.name, t.state, t.attempt, t.failures, t.losses, short(t.worker or ""), " ".join(t.after))
            for t in ordered[:MOST_ROWS]
        ],
    )
    _rest(len(tasks))


def _attempts_table(attempts: Sequence[Attempt], now: float) -> None:
    """The newest ones, oldest first."""
    say("")
    table(
        ("TASK", "ATTEMPT", "NODE", "WORKER", "STARTED (UTC)", "TOOK", "OUTCOME", "CAUSE", "REASON"),
        [_attempt_row(attempt, now) for attempt in attempts[-MOST_ROWS:]],
    )
    _rest(len(attempts))


def _attempt_row(attempt: Attempt, now: float) -> tuple[object, ...]:
    a = attempt
    took = duration(max(0.0, (now if a.ended is None else a.ended) - a.started))
    return (
        a.task.rpartition("/")[2], a.attempt, a.node[:NODE_DIGITS], short(a.worker), moment(a.started),
        took, a.outcome or "running", a.cause, a.reason,
    )  # fmt: skip


def short(worker: str) -> str:
    """A worker's name with its middle left out: beginning and end tell workers apart."""
    return worker if len(worker) <= WORKER_LETTERS else f"{worker[:11]}…{worker[-8:]}"


def _rest(number: int) -> None:
    if number > MOST_ROWS:
        say(f"… and {number - MOST_ROWS} more; --json has all.")


def _log(log: Sequence[Event]) -> None:
    say("")
    for event in log:
        text = line(event)
        if text is not None:
            say(f"{event.seq:>5}  {moment(event.at)}  {text}")
