"""``farm costs``: what was spent, on what, and how quotes compared to it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages, table
from farm.errors import InvalidInput
from farm.spec.cost import CostLine, Grouping, JobCost
from farm.spec.words import duration, money

By = Annotated[Grouping, typer.Option(help="What to sum up by.")]
Tag = Annotated[
    str | None, typer.Option("--tag", metavar="KEY=VALUE", help="Only jobs with this label.")
]
Since = Annotated[str | None, typer.Option(metavar="DAY", help="First day that counts, UTC.")]
Until = Annotated[str | None, typer.Option(metavar="DAY", help="Last day that counts, UTC.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=OPERATE)(costs)


def costs(
    by: By = "project",
    project: Annotated[str | None, typer.Option(help="Only jobs of this project.")] = None,
    tag: Tag = None,
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Sum up what was spent by project, feature, pool or day, beside what was quoted."""
    wanted = None if tag is None else _tag(tag)
    days = {"since": _day("since", since), "until": _day("until", until)}
    with connect() as client:
        found = client.costs(by, project=project, tag=wanted, **days)
    if json:
        emit(found)
    elif found:
        show(found, by)
    else:
        messages().print("Nothing has run that is to be counted.")


def show(lines: list[CostLine], by: str) -> None:
    """The lines as a table, with their sum where there are several."""
    headings = (
        by.upper(), "JOBS", "ATTEMPTS", "HOURS", "SPENT", "DONE", "QUOTED", "ACTUAL", "ACTUAL/QUOTED",
        "WITHIN 9 IN 10",
    )  # fmt: skip
    rows = [_row(line) for line in lines]
    if len(lines) > 1:
        rows.append(_row(_total(lines), jobs=by in ("project", "feature")))
    table(headings, rows)


def against(cost: JobCost) -> str:
    """A job's quote against what it took: ``took 4 min and $0.10, quoted 5 min and $0.12 …``."""
    spent = f"{duration(cost.seconds)} and {money(cost.spent_usd)}"
    if cost.quoted is None:
        return f"took {spent}, never quoted" if cost.seconds else ""
    quoted = cost.quoted
    promise = (
        f"quoted {duration(quoted.p50_seconds)} and {money(quoted.p50_usd)}, 9 in 10 under "
        f"{duration(quoted.p90_seconds)} and {money(quoted.p90_usd)}"
    )
    held = f"; {money(cost.reserved_usd)} reserved" if cost.reserved_usd else ""
    return f"took {spent}; {promise}{held}" if cost.seconds else f"{promise}{held}"


def _row(line: CostLine, *, jobs: bool = True) -> tuple[object, ...]:
    ratio = f"{line.actual_usd / line.quoted_usd:.2f}" if line.quoted_usd else "–"
    share = f"{line.covered / line.done:.0%}" if line.done else "–"
    return (
        line.key, line.jobs if jobs else "", line.attempts, f"{line.hours:.2f}", money(line.usd),
        line.done, money(line.quoted_usd), money(line.actual_usd), ratio, share,
    )  # fmt: skip


def _total(lines: list[CostLine]) -> CostLine:
    """The sum; a job that ran in several pools or on several days is in several lines."""
    return CostLine(
        key="all", jobs=sum(line.jobs for line in lines), attempts=sum(line.attempts for line in lines),
        hours=sum(line.hours for line in lines), usd=sum(line.usd for line in lines),
        done=sum(line.done for line in lines), quoted_usd=sum(line.quoted_usd for line in lines),
        actual_usd=sum(line.actual_usd for line in lines), covered=sum(line.covered for line in lines),
    )  # fmt: skip


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise InvalidInput(f"--tag: {text!r} is not valid; write KEY=VALUE.", field="tag")
    return key, value


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--{name}: {text!r} is no day; write it as 2026-05-04.", field=name
        ) from None
