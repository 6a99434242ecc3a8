"""The last lines of a log, kept in memory as evidence for the case that an attempt ends badly."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

LINES = 200
LONGEST = 2000
"""Characters of a line that are kept; a traceback counts as part of its line."""
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Tail(logging.Handler):
    """Keeps the last ``lines`` records as text."""

    def __init__(self, lines: int = LINES) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._lines: deque[str] = deque(maxlen=lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            self._lines.append(self.format(record)[:LONGEST])
        except Exception:  # noqa: BLE001 — as every handler: a bad record must not end the work
            self.handleError(record)

    def text(self) -> str:
        """What is kept, a record a line."""
        return "\n".join(list(self._lines))


@contextmanager
def tailed(logger: logging.Logger, lines: int = LINES) -> Iterator[Tail]:
    """Keep what ``logger`` and those below it say inside the block, from level info on."""
    tail, level = Tail(lines), logger.level
    logger.addHandler(tail)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield tail
    finally:
        logger.removeHandler(tail)
        logger.setLevel(level)
