"""Where the words go: results to stdout, messages to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table


def messages() -> Console:
    """A console on stderr, for progress and remarks."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """One line of result on stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def emit(value: BaseModel | Iterable[BaseModel] | dict[str, Any] | list[Any]) -> None:
    """One line of JSON on stdout."""
    say(json.dumps(value, default=_plain, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], width: int = 200) -> None:
    """A table on stdout, ``width`` columns wide where that is no terminal."""
    sheet = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        sheet.add_row(*(str(cell) for cell in row))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=width)
    console.print(sheet)


def moment(seconds: float) -> str:
    """Epoch seconds as people read them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, Iterable) else str(value)
