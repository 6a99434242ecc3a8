"""``farm backup``, ``restore`` and ``move-database``: the database kept, put back, put elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farm import settings
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages, say
from farm.clock import SystemClock
from farm.errors import Conflict, InvalidInput, NotFound
from farm.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (backup, restore):
        app.command(rich_help_panel=OPERATE)(command)
    app.command("move-database", rich_help_panel=OPERATE)(move_database)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to put it; must not exist.")],
    json: Json = False,
) -> None:
    """Copy the database into a file while the farm runs; jobs, events and leases, no pictures."""
    from farm.cli import databases
    from farm.queue import open_queue

    chosen = settings.load()
    source = databases.file_of(chosen.database_url)
    if source is None:
        raise InvalidInput(
            "database: this farm's is on a server; back it up with "
            f"'pg_dump --format=custom --file={file} {databases.place(chosen.database_url)}'.",
            field="database",
        )
    if not source.exists():
        raise NotFound(f"database: there is none in {source}; set FARM_HOME or FARM_DATABASE.")
    if file.exists():
        raise InvalidInput(f"file: {str(file)!r} is there already; choose another name.", field="file")
    queue = open_queue(chosen.database_url, SystemClock())
    try:
        queue.backup(file)
    finally:
        queue.close()
    if json:
        emit({"file": str(file), "bytes": file.stat().st_size})
        return
    say(str(file))
    messages().print(
        f"{file.stat().st_size / 1e6:.1f} MB; the pictures are in {chosen.store_url}, copy them, too.",
        soft_wrap=True,
    )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'farm backup' made.")],
    json: Json = False,
) -> None:
    """Put a backup in the place of the database; no farm may run, and the old one is kept beside it."""
    from farm.cli import databases

    chosen = settings.load()
    _check_down(chosen)
    old = databases.restore(chosen.database_url, file, SystemClock())
    if json:
        emit({"database": chosen.database_url, "old": None if old is None else str(old)})
        return
    kept = f"; the old one is {old}" if old else ""
    messages().print(f"Restored{kept}. Start the farm with 'farm up'.", soft_wrap=True)


def move_database(
    target: Annotated[
        str, typer.Argument(metavar="URL", help="An empty one: postgresql://… or sqlite:////….")
    ],
    json: Json = False,
) -> None:
    """Copy everything into another database, e.g. from a file to PostgreSQL; no farm may run."""
    from farm.cli import databases, moving

    chosen = settings.load()
    _check_down(chosen)
    source = databases.file_of(chosen.database_url)
    if source is not None:
        if not source.exists():
            raise NotFound(f"database: there is none in {source}; set FARM_HOME or FARM_DATABASE.")
        databases.check_unused(source)
    moved = moving.move(chosen.database_url, target, SystemClock())
    if json:
        emit({"rows": moved})
        return
    messages().print(
        f"Moved {moved['jobs']} jobs with {moved['events']} events. Set FARM_DATABASE to the new one, "
        "then 'farm up'; the old one is as it was.",
        soft_wrap=True,
    )


def _check_down(chosen: Settings) -> None:
    from farm.tiers import local

    if local.state(chosen):
        raise Conflict(f"a farm runs with home {chosen.folder}; stop it with 'farm down' first.")
