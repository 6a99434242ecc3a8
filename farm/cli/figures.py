"""A measured figure, and how figures are shown."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from farm.cli.out import table
from farm.spec.base import Value


class Figure(Value):
    """One figure of a benchmark, with what it is to be read beside."""

    name: str
    value: float | None = Field(default=None, description="None: not measured, the note says why.")
    unit: str = ""
    ratios: dict[str, float] = Field(default={}, description="To figures of the same run, by name.")
    note: str = ""


WIDTH = 100
"""Columns of the table where it goes into a file."""


def show(figures: Iterable[Figure]) -> None:
    """The figures as a table on stdout."""
    table(("FIGURE", "VALUE", "UNIT", "BESIDE"), [_row(figure) for figure in figures], WIDTH)


def _row(figure: Figure) -> tuple[str, str, str, str]:
    beside = [f"{_short(value)} {name.replace('_', ' ')}" for name, value in figure.ratios.items()]
    value = "–" if figure.value is None else f"{figure.value:.4g}"
    return figure.name, value, figure.unit, ", ".join((*beside, figure.note) if figure.note else beside)


def _short(ratio: float) -> str:
    """Three digits, but four near 1, where three would hide the difference."""
    return f"{ratio:.4g}" if 0.9 < ratio < 1.1 else f"{ratio:.3g}"
