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
    """Check this machine; each failing row says what to do."""
    findings = run(CHECKS, settings.load(), SystemClock())
    if json:
        emit([{"name": f.name, "ok": f.ok, "detail": f.detail, "remedy": f.remedy} for f in findings])
    else:
        table(
            ("CHECK", "", "FOUND", "REMEDY"),
            [(f.name, "ok" if f.ok else "fail", f.detail, f.remedy) for f in findings],
        )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
