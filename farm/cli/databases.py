"""The farm's database as a file: looked at without opening it for work, and put back from a copy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, inspect, select

from farm.clock import Clock
from farm.errors import Conflict, InvalidInput, NotFound, Unavailable
from farm.queue.database import parse, spoken
from farm.queue.postgres import CONNECT_SECONDS, OTHERWISE, REMEDIES
from farm.queue.tables import SCHEMA_VERSION, schema_version

SIDE_FILES = ("-wal", "-shm")
"""What SQLite keeps beside a database; a file and its log belong together."""


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None for a server's."""
    parsed = parse(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def place(url: str) -> str:
    """A server's URL as PostgreSQL's own tools take it, without its password."""
    parsed = parse(url)
    return URL.create(
        "postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query
    ).render_as_string()


@contextmanager
def reached(url: str) -> Iterator[Connection]:
    """A connection to a server's database, for looking only.

    Raises:
        Unavailable: it does not answer.
    """
    parsed = parse(url)
    engine = create_engine(parsed, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        with spoken(place(url), REMEDIES, OTHERWISE), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def examine(url: str) -> str:
    """What there is, in a few words: whole, and of which schema. Nothing is changed or migrated.

    Raises:
        Unavailable: it does not answer, is damaged, or is a newer farm's.
    """
    file = file_of(url)
    if file is None:
        return _examine_server(url)
    if not file.exists():
        return f"none yet in {file}; 'farm up' makes it"
    with _reading(file) as connection:
        _check_whole(connection, file, "quick_check(1)")
        schema = _check_schema(connection, file)
    return f"{file}, whole, {schema}"


def restore(url: str, source: Path, clock: Clock) -> Path | None:
    """Put ``source`` in the place of the SQLite database at ``url``; returns where the old one is now.

    Raises:
        NotFound, InvalidInput: ``source`` is not there, or is no database of a farm.
        Conflict: a process has the database open.
        Unavailable: the disk does not allow it.
    """
    file = file_of(url)
    if file is None:
        raise InvalidInput(
            f"database: this farm's is on a server; restore it with "
            f"'pg_restore --clean --if-exists --dbname={place(url)} {source}'.", field="database",
        )  # fmt: skip
    if not source.is_file():
        raise NotFound(f"file: {str(source)!r} is not there; name one that 'farm backup' made.")
    check_unused(file)
    with _reading(source) as connection:
        _check_whole(connection, source, "integrity_check(1)")
        _check_schema(connection, source)
    try:
        return _replace(file, source, clock)
    except OSError as error:
        raise Unavailable(
            f"database {file}: cannot be replaced ({(error.strerror or 'error').lower()}); "
            "make room on its disk, or make its folder writable."
        ) from error


def _replace(file: Path, source: Path, clock: Clock) -> Path | None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.restoring")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh)) as copy, _reading(source) as connection:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # whole in one file, with no log of its own
    old = _put_aside(file, clock)
    fresh.replace(file)
    _sync(file)
    _sync(file.parent)
    return old


def _put_aside(file: Path, clock: Clock) -> Path | None:
    if not file.exists():
        return None
    # What is in its log goes into the file first, where it still can.
    with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    date = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%dT%H-%M-%S")
    old = file.with_name(f"{file.name}.{date}")
    for side in SIDE_FILES:
        with suppress(FileNotFoundError):
            file.with_name(file.name + side).replace(old.with_name(old.name + side))
    return file.replace(old)


def check_unused(file: Path) -> None:
    """Make sure that nobody works with a database's file.

    Raises:
        Conflict: a process has it open.
    """
    import psutil

    held = {str(file.resolve())}
    for process in psutil.process_iter(["pid", "name"]):
        if process.pid == os.getpid():
            continue
        with suppress(psutil.Error):
            if held & {opened.path for opened in process.open_files()}:
                raise Conflict(
                    f"database {file}: process {process.pid} ({process.name()}) has it open; stop it "
                    "with 'farm down', or what is left of a killed farm with 'kill', and try again."
                )


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    # One that nobody has open has no log; read as unchanging it gets none beside it, either.
    how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?{how}", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Unavailable(
            f"database {file}: {error}; restore it with 'farm restore', or move the file away."
        ) from None


def _check_whole(connection: sqlite3.Connection, file: Path, pragma: str) -> None:
    (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    if found != "ok":
        raise Unavailable(
            f"database {file}: it is damaged ({found}); put a backup back with 'farm restore'."
        )


def _check_schema(connection: sqlite3.Connection, file: Path) -> str:
    try:
        (found,) = connection.execute("SELECT version FROM schema_version").fetchone()
    except (sqlite3.OperationalError, TypeError):
        raise InvalidInput(
            f"database {file}: it is no farm's; set FARM_DATABASE to one that is.", field="database"
        ) from None
    return _fits(str(file), found)


def _examine_server(url: str) -> str:
    with reached(url) as connection:
        if not inspect(connection).has_table(schema_version.name):
            return f"{place(url)}, without tables yet; 'farm up' makes them"
        found = connection.execute(select(schema_version.c.version)).scalar_one()
    return f"{place(url)}, {_fits(place(url), found)}"


def _fits(where: str, found: int) -> str:
    if found > SCHEMA_VERSION:
        raise Unavailable(
            f"database {where}: its tables are version {found}, this farm knows {SCHEMA_VERSION}; "
            "install the farm that made it."
        )
    coming = f", 'farm up' brings it to {SCHEMA_VERSION}" if found < SCHEMA_VERSION else ""
    return f"schema {found}{coming}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
