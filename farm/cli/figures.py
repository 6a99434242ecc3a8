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


def show(figures: Iterable[Figure]) -> None:
    """The figures as a table on stdout."""
    table(("FIGURE", "VALUE", "UNIT", "BESIDE"), [_row(figure) for figure in figures])


def _row(figure: Figure) -> tuple[str, str, str, str]:
    beside = [f"{value:.3g} {name.replace('_', ' ')}" for name, value in figure.ratios.items()]
    value = "–" if figure.value is None else f"{figure.value:.4g}"
    return figure.name, value, figure.unit, ", ".join((*beside, figure.note) if figure.note else beside)
