"""``farm quote``: what a picture would cost and when it would be ready."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import MAKE, JobFile, Json, Overrides
from farm.cli.out import emit, messages, say, table
from farm.cli.plot import check
from farm.cli.wishes import Deadline, MaxCost, wished
from farm.spec import Option, Quote
from farm.spec.words import duration, money

Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot", metavar="FILE", help="Draw what time costs, with the choice marked: PNG, SVG or PDF."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(quote)


def quote(
    jobfile: JobFile,
    overrides: Overrides = None,
    max_cost: MaxCost = None,
    deadline: Deadline = None,
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Ask for the price and the time of a job; nothing is ordered."""
    from farm.client import jobfile as files

    job = files.read(jobfile, wished(overrides, max_cost, deadline))
    if plot is not None:
        from farm.cli import quote_plot

        check(plot, "plot")
    with connect() as client:
        answer = client.quote(job)
    if plot is not None:
        quote_plot.draw(answer, job.routing, plot, Path(jobfile).name)
    if json:
        emit(answer)
    else:
        _show(answer)
    if plot is not None:
        messages().print(f"Drawn in {plot}.", soft_wrap=True)


def _show(answer: Quote) -> None:
    say(
        f"{answer.width}×{answer.height} pixels, {answer.iterations} iterations, "
        f"{answer.megapixel_iterations:.1f} megapixel-iterations"
    )
    decision = answer.decision
    table(
        ("", "POOL", "ACCELERATOR", "TIME", "9 IN 10", "COST", "9 IN 10", ""),
        [_row("→", decision.chosen), *(_row("", other) for other in decision.alternatives)],
    )
    say(decision.reason)
    for note in answer.notes:
        say(f"The order would be refused: {note}")


def _row(mark: str, option: Option) -> tuple[str, ...]:
    return (
        mark if option.feasible else "×",
        option.pool,
        named(option),
        duration(option.p50_seconds),
        duration(option.p90_seconds),
        money(option.p50_usd),
        money(option.p90_usd),
        option.note,
    )


def named(option: Option) -> str:
    """An option's accelerators: ``4 × h100``."""
    return option.accelerator if option.devices == 1 else f"{option.devices} × {option.accelerator}"
