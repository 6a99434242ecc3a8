"""Which queue a database's URL names."""

from __future__ import annotations

from farm.clock import Clock
from farm.queue.database import parse
from farm.queue.sql import SqlQueue
from farm.queue.sqlite import SqliteQueue


def open_queue(url: str, clock: Clock) -> SqlQueue:
    """The queue in the database at ``url``: SQLite's or PostgreSQL's.

    Raises:
        InvalidInput: the URL is neither of a SQLite file nor of a PostgreSQL database.
        Unavailable: it cannot be opened or is a newer version's.
    """
    if parse(url).get_backend_name() == "sqlite":
        return SqliteQueue(url, clock)
    # Only farms on PostgreSQL need its driver.
    from farm.queue.postgres import PostgresQueue

    return PostgresQueue(url, clock)
