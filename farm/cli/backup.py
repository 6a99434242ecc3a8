"""``farm backup`` and ``farm restore``: the database as a file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farm import settings
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages, say
from farm.clock import SystemClock
from farm.errors import Conflict, InvalidInput, NotFound


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (backup, restore):
        app.command(rich_help_panel=OPERATE)(command)


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
    from farm.tiers import local

    chosen = settings.load()
    if local.state(chosen):
        raise Conflict(f"a farm runs with home {chosen.folder}; stop it with 'farm down' first.")
    old = databases.restore(chosen.database_url, file, SystemClock())
    if json:
        emit({"database": chosen.database_url, "old": None if old is None else str(old)})
        return
    kept = f"; the old one is {old}" if old else ""
    messages().print(f"Restored{kept}. Start the farm with 'farm up'.", soft_wrap=True)
