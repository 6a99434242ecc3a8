"""``farm quote``: what a picture would cost and when it would be ready."""

from __future__ import annotations

import typer

from farm.cli.connect import connect
from farm.cli.options import MAKE, JobFile, Json, Overrides
from farm.cli.out import emit, say, table
from farm.spec import Option
from farm.spec.words import duration, money


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(quote)


def quote(jobfile: JobFile, overrides: Overrides = None, json: Json = False) -> None:
    """Ask for the price and the time of a job; nothing is ordered."""
    with connect() as client:
        answer = client.quote(jobfile, overrides=overrides or ())
    if json:
        emit(answer)
        return
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


def _row(mark: str, option: Option) -> tuple[str, ...]:
    return (
        mark if option.feasible else "×",
        option.pool,
        option.accelerator,
        duration(option.p50_seconds),
        duration(option.p90_seconds),
        money(option.p50_usd),
        money(option.p90_usd),
        option.note,
    )
