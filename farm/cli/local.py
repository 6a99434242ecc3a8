"""``farm up``, ``down`` and ``status``: a farm on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from farm import settings
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages, say
from farm.errors import Unreachable


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down, status):
        app.command(rich_help_panel=OPERATE)(command)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is up; 'farm down' stops it.")
    ] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="HTTP port.")] = None,
    dashboard_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the Ray dashboard.")
    ] = None,
) -> None:
    """Start a farm on this machine; Ctrl-C stops it."""
    from farm.tiers import local

    chosen = settings.load()
    local.up(
        chosen,
        detach=detach,
        port=port or chosen.port,
        dashboard_port=dashboard_port or chosen.dashboard_port,
    )


def down() -> None:
    """Stop the farm of this machine; what was ordered is kept."""
    from farm.tiers import local

    chosen = settings.load()
    stopped = local.down(chosen)
    messages().print("The farm is down." if stopped else f"No farm was running in {chosen.folder}.")


def status(json: Json = False) -> None:
    """Say whether a farm runs on this machine and what it is doing."""
    from farm.tiers import local

    chosen = settings.load()
    facts = local.status(chosen)
    if json:
        emit(facts)
    else:
        for name, value in facts.items():
            say(f"{name:<16} {value}")
    if not facts.get("running"):
        raise Unreachable(f"no farm runs in {chosen.folder}; start one with 'farm up'.")
