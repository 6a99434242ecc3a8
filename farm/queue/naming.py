"""Which blobs the rows of a queue name: what a sweep of the store must leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from farm.queue.tables import events, jobs, tasks
from farm.spec.state import TaskState

_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_PAGE = 1000
_PASSING = ("progress", "checkpointed")
"""Kinds of events by which nothing is kept: a checkpoint is its task's as long as that may go on."""


@dataclass(frozen=True)
class Names:
    """Names of blobs, and of the checkpoints from which tasks may go on (manifests of more blobs)."""

    blobs: frozenset[str]
    checkpoints: frozenset[str]


def names(connection: Connection) -> Names:
    """Every name in a specification, a result or an event; checkpoints of tasks that may go on."""
    texts = (
        select(jobs.c.spec),
        select(tasks.c.result).where(tasks.c.result.is_not(None)),
        select(events.c.body).where(events.c.kind.not_in(_PASSING)),
    )
    found = {
        sha for query in texts for text in _column(connection, query) for sha in _SHA256.findall(text)
    }
    going = select(tasks.c.checkpoint).where(
        tasks.c.checkpoint.is_not(None), tasks.c.state != TaskState.DONE
    )
    return Names(frozenset(found), frozenset(_column(connection, going)))


def _column(connection: Connection, query: Select[Any]) -> Iterator[str]:
    for page in connection.execute(query).partitions(_PAGE):
        yield from (row[0] for row in page)
