"""Waiting until a SQLite file changes: by the system's word where it gives one, else by looking."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from math import ceil
from pathlib import Path

LOOKS_PER_SECOND = 20
"""How often to look where the system says nothing of files that change, as macOS does not."""

GATHER_MS = 20
"""After a first change, so that a busy farm's commits wake a reader 50 times a second at most."""

MISSED_SECONDS = 1.0
"""A change that the system has not told of, on a network's disk for one, is seen after so long."""


def changes(file: Path, seconds: float, closed: threading.Event) -> Generator[None]:
    """Come back whenever the database may have changed, for ``seconds`` or until it is ``closed``.

    Comes back once at the beginning; what is written from then on is not missed.

    Args:
        file: the database; its log lies beside it.
    """
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        notes = _notes_of(file)
        if notes:
            stack.callback(notes.close)
        while not closed.is_set():
            yield
            left = until - time.monotonic()
            if left <= 0:
                return
            if notes:
                notes.wait(min(left, MISSED_SECONDS))
            else:
                closed.wait(min(left, 1 / LOOKS_PER_SECOND))


class _Notes:
    """What Linux tells of writes in a folder (inotify)."""

    def __init__(self, folder: Path) -> None:
        from inotify_simple import INotify, flags

        self._inotify = INotify()
        self._inotify.add_watch(folder, flags.MODIFY | flags.CREATE)

    def wait(self, seconds: float) -> None:
        """Until something is written, or so long."""
        # At least a millisecond: none at all would not wait, and go round and round.
        self._inotify.read(timeout=max(1, ceil(1000 * seconds)), read_delay=GATHER_MS)

    def close(self) -> None:
        """Hear no more."""
        self._inotify.close()


def _notes_of(file: Path) -> _Notes | None:
    """None where the system has none to give: another system, or too many are open."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Notes(file.parent)
    except OSError:
        return None
