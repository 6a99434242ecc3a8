"""``farm doctor``: is everything here that a farm needs?"""

from __future__ import annotations

import typer

from farm import settings
from farm.cli.checks import CHECKS, run
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, table
from farm.clock import SystemClock


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=OPERATE)(doctor)


def doctor(json: Json = False) -> None:
    """Check this machine; each row that is not ok says what to do. Exits with 1 if one failed."""
    rows = run(CHECKS, settings.load(), SystemClock())
    if json:
        keys = ("name", "ok", "level", "detail", "remedy")
        emit([{key: getattr(row, key) for key in keys} for row in rows])
    else:
        table(
            ("CHECK", "", "FOUND", "REMEDY"),
            [(row.name, row.level, row.detail, row.remedy) for row in rows],
        )
    if not all(row.ok for row in rows):
        raise typer.Exit(1)
