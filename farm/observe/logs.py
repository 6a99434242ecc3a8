"""Logs as JSON lines: one object a line, with the job, task, attempt and request it belongs to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from types import MappingProxyType

from farm.errors import InvalidInput

LEVELS = ("debug", "info", "warning", "error")
FIELDS = ("job", "task", "attempt", "request_id")
"""What a line may carry besides its message, from ``extra=`` or from ``bound``."""

_NAME = "farm-json-lines"
_bound: ContextVar[Mapping[str, object]] = ContextVar("farm_log_fields", default=MappingProxyType({}))


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Give every line logged inside these fields; ``extra=`` on a line goes before them.

    Raises:
        ValueError: a field that is not in ``FIELDS``.
    """
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise ValueError(f"log lines have no field {unknown[0]!r}, only {', '.join(FIELDS)}")
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """``at`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, fields, then ``error``."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        around = _bound.get()
        for field in FIELDS:
            value = getattr(record, field, around.get(field))
            if value is not None:
                line[field] = value
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str = "info", path: Path | None = None) -> None:
    """Send the farm's logs as JSON lines to ``path``, or to stderr; calling again replaces the first.

    Raises:
        InvalidInput: an unknown level, or a path that cannot be written.
    """
    if level not in LEVELS:
        raise InvalidInput(
            f"log level: {level!r} is not known; use {', '.join(LEVELS)}.", field="log level"
        )
    handler = _handler(path)
    handler.setFormatter(JsonLines())
    handler.set_name(_NAME)
    logger = logging.getLogger("farm")
    for old in [one for one in logger.handlers if one.get_name() == _NAME]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False


def _handler(path: Path | None) -> logging.Handler:
    if path is None:
        return logging.StreamHandler()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Reopens the file when logrotate has moved it away.
        return WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise InvalidInput(
            f"log path: {str(path)!r} cannot be written ({reason}); choose another.", field="log path"
        ) from None
