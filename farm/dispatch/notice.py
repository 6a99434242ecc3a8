"""Word that a machine is about to be taken away, and whether a checkpoint still fits before that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from farm.clock import Clock

DEFAULT_SECONDS = 120.0
"""Notice that is assumed where none is stated; AWS gives two minutes, others 30 seconds."""
SLACK = 1.25
"""A checkpoint may take this many times what is expected and must still be in time."""


@dataclass(frozen=True)
class Notice:
    """A machine goes away at ``deadline`` (epoch seconds); None: somebody waits until it is empty."""

    source: str
    reason: str
    deadline: float | None = None


class Source(Protocol):
    """Something that knows beforehand when this machine is taken away."""

    def look(self) -> Notice | None:
        """The notice, None while there is none. Never raises: no answer is no notice."""
        ...


class FileNotice:
    """A file that an operator, or a hook of the machine's, leaves on it.

    It may be empty, or hold JSON: ``{"deadline": "2026-01-01T00:00:00Z", "reason": "…"}`` or
    ``{"seconds": 90}``. Its age counts, so that a dispatcher that starts anew reads the same deadline.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Notice | None:
        """As ``Source.look``."""
        try:
            text, left = self._path.read_text(encoding="utf-8"), self._path.stat().st_mtime
        except OSError:
            return None
        said = _mapping(text)
        deadline = moment(said.get("deadline"))
        if deadline is None:
            seconds = said.get("seconds")
            known = isinstance(seconds, int | float)
            deadline = left + (float(seconds) if known else DEFAULT_SECONDS)  # type: ignore[arg-type]
        return Notice("file", str(said.get("reason") or f"{self._path.name} was left here"), deadline)


def first(sources: Sequence[Source]) -> Notice | None:
    """The notice with the earliest deadline."""
    found = [notice for notice in (source.look() for source in sources) if notice]
    return min(found, key=lambda notice: notice.deadline or float("inf"), default=None)


def fits(notice: Notice, clock: Clock, checkpoint_seconds: float | None) -> bool:
    """Whether a checkpoint that takes so long is worth beginning.

    One that is cut off by the machine's end is of no use, and the one before it was kept already.
    Where nobody knows how long it takes, it is tried.
    """
    if notice.deadline is None or checkpoint_seconds is None:
        return True
    return clock.now() + SLACK * checkpoint_seconds <= notice.deadline


def moment(text: object) -> float | None:
    """Epoch seconds of an ISO 8601 time; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


def _mapping(text: str) -> dict[str, object]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {"reason": text.strip()[:200]}
    return found if isinstance(found, dict) else {}
