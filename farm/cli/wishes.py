"""What people wish of an order on the command line: what it may cost, and when it is due."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from farm.clock import SystemClock
from farm.errors import InvalidInput
from farm.spec.words import clock_time

MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", metavar="USD", help="What it may cost; sets routing.budget_usd."),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline", metavar="WHEN",
        help="When it is due: 2026-05-04T18:00+02:00, or 90min, 6h, 2d from now.",
    ),
]  # fmt: skip

UNITS = {"min": 60.0, "h": 3600.0, "d": 86_400.0}
EXAMPLES = "write it as 2026-05-04T18:00+02:00, or as 90min, 6h or 2d from now"


def wished(
    overrides: Sequence[str] | None, max_cost: float | None, deadline: str | None
) -> tuple[str, ...]:
    """The settings of a job file with these wishes, which are sugar for some of them.

    Raises:
        InvalidInput: a cost that is none, or a time that is none, has no UTC offset or is over.
    """
    found = list(overrides or ())
    if max_cost is not None:
        if not 0 < max_cost < float("inf"):
            raise InvalidInput(
                f"--max-cost: {max_cost:g} is not valid; give dollars over 0, such as 12.50.",
                field="routing.budget_usd",
            )
        found.append(f"routing.budget_usd={max_cost!r}")
    if deadline is not None:
        found.append(f"routing.deadline={due(deadline, SystemClock().now()).isoformat()}")
    return tuple(found)


def due(text: str, now: float) -> datetime:
    """The moment that is meant.

    Raises:
        InvalidInput: it is none, has no UTC offset or is over.
    """
    from_now = re.fullmatch(r"\+?(\d+(?:\.\d+)?)\s*(min|h|d)", text.strip())
    present = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    if from_now:
        return present + timedelta(seconds=float(from_now[1]) * UNITS[from_now[2]])
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _invalid(f"{text!r} is no time; {EXAMPLES}.") from None
    if moment.utcoffset() is None:
        shown = moment.isoformat(timespec="minutes")
        raise _invalid(f"{text!r} has no UTC offset; write e.g. {shown}+02:00, or {shown}Z for UTC.")
    if moment.timestamp() <= now:
        raise _invalid(f"{text!r} is over, now is {clock_time(present)}; {EXAMPLES}.")
    return moment


def _invalid(what: str) -> InvalidInput:
    return InvalidInput(f"--deadline: {what}", field="routing.deadline")
