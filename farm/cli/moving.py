"""All rows of one database into another of any kind: from a SQLite file to PostgreSQL, or back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Table, func, insert, select, text, update

from farm.clock import Clock
from farm.errors import Conflict
from farm.queue import open_queue, postgres, sqlite
from farm.queue.database import parse, spoken
from farm.queue.tables import TOKENS, attempts, counters, events, jobs, metadata, schema_version

PATIENCE_SECONDS = 15.0
PAGE = 1000
OWN = (schema_version, counters)
"""Tables that a database fills itself when it is made."""


def move(source: str, target: str, clock: Clock) -> dict[str, int]:
    """Copy everything into an empty database, all of it or nothing; returns rows by table.

    Neither may be in use; ``source`` stays as it is, but for its tables being brought to this version.

    Raises:
        InvalidInput: a URL is not valid.
        Conflict: ``target`` has jobs already.
        Unavailable: one of them does not work.
    """
    for url in (source, target):
        open_queue(url, clock).close()
    with _connected(source) as old, _connected(target) as new:
        new.execution_options(write=True)
        with new.begin():
            if new.execute(select(func.count()).select_from(jobs)).scalar_one():
                raise Conflict("database: the new one has jobs already; name an empty one.")
            moved = {
                table.name: _copy(old, new, table)
                for table in metadata.sorted_tables
                if table not in OWN
            }
            _go_on_counting(new)
    return moved


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    parsed = parse(url)
    kind = sqlite if parsed.get_backend_name() == "sqlite" else postgres
    engine = kind.connect(parsed, PATIENCE_SECONDS)
    place = parsed.render_as_string()
    try:
        with spoken(place, kind.REMEDIES, kind.OTHERWISE), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _copy(old: Connection, new: Connection, table: Table) -> int:
    moved = 0
    for rows in old.execute(select(table)).mappings().partitions(PAGE):
        new.execute(insert(table), [dict(row) for row in rows])
        moved += len(rows)
    return moved


def _go_on_counting(new: Connection) -> None:
    """Begin behind the highest numbers that were copied: a fencing token is never given twice."""
    token = int(new.execute(select(func.max(attempts.c.token))).scalar() or 0)
    position = int(new.execute(select(func.max(events.c.position))).scalar() or 0)
    if new.dialect.name == "postgresql":
        new.execute(text("SELECT setval('farm_tokens', :next, false)"), {"next": token + 1})
        counter = text("SELECT setval(pg_get_serial_sequence('events', 'position'), :next, false)")
        new.execute(counter, {"next": position + 1})
    else:
        new.execute(update(counters).where(counters.c.name == TOKENS).values(value=token))
