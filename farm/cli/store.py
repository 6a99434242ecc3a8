"""``farm store``: what lies in the store, and clearing it of what no job names any more."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm import settings
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages
from farm.clock import SystemClock
from farm.errors import Conflict, InvalidInput, NotFound, Unavailable
from farm.settings import Settings

if TYPE_CHECKING:
    from farm.store.sweep import Listing

HOUR = 3600.0
_UNITS = {"h": HOUR, "d": 24 * HOUR}

store_app = typer.Typer(help="Look after the store of pictures and checkpoints.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(store_app, name="store", rich_help_panel=OPERATE)


@store_app.callback()
def _group() -> None:
    """Look after the store of pictures and checkpoints."""


@store_app.command()
def sweep(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Leave what is younger, e.g. 36h or 7d; at least 1h.")
    ] = "24h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove pictures and checkpoints that no job names, and what broken-off writes have left.

    The farm may run meanwhile. Only files that nobody has uploaded or asked for in AGE go.
    """
    from farm.store.sweep import listing, remove

    chosen = settings.load()
    before = SystemClock().now() - age(older_than)
    folder = _folder(chosen)
    found = listing(folder, before)
    named = _named(chosen)
    orphans = [path for path in found.old if path.name not in named]
    _check_one_farm(chosen, found, len(orphans), named)
    try:
        blobs = remove(orphans, folder, before, dry_run=dry_run)
        unfinished = remove(found.unfinished, folder, before, dry_run=dry_run)
    except OSError as error:
        raise Unavailable(
            f"store {folder}: cannot be swept ({error.strerror}); run this as the farm's own user."
        ) from error
    kept = {"named": len(found.old) - len(orphans), "young": len(found.young)}
    if json:
        emit(
            {"dry_run": dry_run, "blobs": asdict(blobs), "unfinished": asdict(unfinished), "kept": kept}
        )
        return
    messages().print(
        f"{'Would remove' if dry_run else 'Removed'} {blobs.files} blobs that no job names "
        f"({blobs.bytes / 1e6:.1f} MB) and {unfinished.files} unfinished files "
        f"({unfinished.bytes / 1e6:.1f} MB); kept {kept['named']} that jobs name and {kept['young']} "
        f"younger than {older_than}.",
        soft_wrap=True,
    )


def age(text: str) -> float:
    """Seconds of an age such as ``36h`` or ``7d``.

    Raises:
        InvalidInput: it is no such age, or shorter than writes of a running farm may take.
    """
    match = re.fullmatch(r"(\d{1,5})([hd])", text)
    if not match or not int(match[1]):
        raise InvalidInput(
            f"older-than: {text!r} is no age of at least an hour; write hours or days, e.g. 36h or 7d.",
            field="older-than",
        )
    return int(match[1]) * _UNITS[match[2]]


def _folder(chosen: Settings) -> Path:
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    fs, root = url_to_fs(chosen.store_url)
    if not isinstance(fs, LocalFileSystem):
        raise InvalidInput(
            f"store: {chosen.store_url!r} is no folder, and only a folder can be swept; run this "
            "where it is mounted as one.",
            field="store",
        )
    if not Path(root, "sha256").is_dir():
        raise NotFound(f"store: there are no blobs in {root}; set FARM_HOME or FARM_STORE.")
    return Path(root)


def _named(chosen: Settings) -> frozenset[str]:
    """Every blob that the database names, those of checkpoints that tasks may go on from included."""
    from farm.cli import databases
    from farm.engine.manifest import blobs_of
    from farm.queue import open_queue
    from farm.store import BlobStore

    file = databases.file_of(chosen.database_url)
    if file is not None and not file.exists():
        raise NotFound(f"database: there is none in {file}; set FARM_HOME or FARM_DATABASE.")
    queue = open_queue(chosen.database_url, SystemClock())
    try:
        names = queue.names()
    finally:
        queue.close()
    store = BlobStore(chosen.store_url, used=True)
    chunks = {blob for sha in names.checkpoints for blob in blobs_of(store.get, sha)}
    return names.blobs | chunks


def _check_one_farm(chosen: Settings, found: Listing, orphans: int, named: frozenset[str]) -> None:
    """Another farm's database names nothing here, and all would be taken for orphans."""
    here = found.young | {path.name for path in found.old}
    if orphans and not here & named:
        raise Conflict(
            f"store: the database names none of the {len(here)} blobs in {chosen.store_url}; set "
            "FARM_HOME, or FARM_STORE and FARM_DATABASE, to those of one farm."
        )
