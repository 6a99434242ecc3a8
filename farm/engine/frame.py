"""The picture as the net sees it: without its first rows and columns, continued by reflection.

Zero padding would give border features statistics of their own, and the optimiser pays for that with
noise along the edges. Sums are taken over the picture proper only. Everything is an index map, so any
window of the continued picture can be made from a few rows, and its adjoint folds a gradient back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from farm.engine.tiling import Window

MARGIN = 16
"""Pixels of reflection around the picture; a multiple of every stride up to 16."""


@dataclass(frozen=True)
class Run:
    """Indices ``first, first + step, …``, ``length`` of them; ``step`` is 1 or −1."""

    first: int
    length: int
    step: int

    @property
    def low(self) -> int:
        """The least index."""
        return self.first if self.step == 1 else self.first - self.length + 1


@lru_cache(maxsize=1024)
def reflection(start: int, stop: int, size: int) -> tuple[Run, ...]:
    """Where positions ``start … stop`` of a line continued by reflection lie on its ``size`` pixels.

    The border pixel is not repeated; lines shorter than the margin are reflected as often as it takes.
    """
    period = max(1, 2 * (size - 1))
    places = [min(i % period, period - i % period) if size > 1 else 0 for i in range(start, stop)]
    runs: list[Run] = []
    at = 0
    while at < len(places):
        step = 1 if at + 1 == len(places) or places[at + 1] >= places[at] else -1
        end = at + 1
        while end < len(places) and places[end] - places[end - 1] == step:
            end += 1
        runs.append(Run(places[at], end - at, step))
        at = end
    return tuple(runs)


def taken(picture: Tensor, runs: Sequence[Run], axis: int, origin: int = 0) -> Tensor:
    """The runs of a picture along an axis, joined; ``origin`` is the index of its first line."""
    pieces = []
    for run in runs:
        piece = picture.narrow(axis, run.low - origin, run.length)
        pieces.append(piece if run.step == 1 else piece.flip(axis))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, axis)


def folded(gradient: Tensor, runs: Sequence[Run], axis: int) -> tuple[int, Tensor]:
    """The adjoint of ``taken``: the first line it touches, and the gradient from there on."""
    low = min(run.low for run in runs)
    if len(runs) == 1 and runs[0].step == 1:
        return low, gradient
    shape = list(gradient.shape)
    shape[axis] = max(run.low + run.length for run in runs) - low
    total = gradient.new_zeros(shape)
    at = 0
    for run in runs:
        piece = gradient.narrow(axis, at, run.length)
        total.narrow(axis, run.low - low, run.length).add_(piece if run.step == 1 else piece.flip(axis))
        at += run.length
    return low, total


@dataclass(frozen=True)
class Frame:
    """A picture of ``height × width`` pixels without its first ``down`` rows and ``across`` columns."""

    height: int
    width: int
    down: int = 0
    across: int = 0

    @property
    def rows(self) -> int:
        """Rows of the continued picture."""
        return self.height - self.down + 2 * MARGIN

    @property
    def columns(self) -> int:
        """Columns of the continued picture."""
        return self.width - self.across + 2 * MARGIN

    @property
    def proper(self) -> Window:
        """The picture within the continued one."""
        return Window(MARGIN, self.rows - MARGIN, MARGIN, self.columns - MARGIN)

    def row_runs(self, top: int, bottom: int) -> tuple[Run, ...]:
        """Where rows of the continued picture come from, in rows of the picture."""
        return _moved(reflection(top - MARGIN, bottom - MARGIN, self.height - self.down), self.down)

    def column_runs(self, left: int, right: int) -> tuple[Run, ...]:
        """Where columns of the continued picture come from, in columns of the picture."""
        return _moved(reflection(left - MARGIN, right - MARGIN, self.width - self.across), self.across)

    def hull(self, top: int, bottom: int) -> tuple[int, int]:
        """The picture's rows that those of the continued one are made of: first, last + 1."""
        runs = self.row_runs(top, bottom)
        return min(run.low for run in runs), max(run.low + run.length for run in runs)

    def window(self, rows: Tensor, origin: int, span: Window) -> Tensor:
        """A window of the continued picture ``(1, 3, h, w)``.

        ``rows`` ``(1, 3, n, width)`` are the picture's from row ``origin`` on, the hull's at least.
        """
        part = taken(rows, self.row_runs(span.top, span.bottom), 2, origin)
        return taken(part, self.column_runs(span.left, span.right), 3)

    def fold(self, gradient: Tensor, span: Window) -> tuple[int, int, Tensor]:
        """The adjoint of ``window``: first row, first column, and the gradient from there on."""
        left, narrow = folded(gradient, self.column_runs(span.left, span.right), 3)
        top, whole = folded(narrow, self.row_runs(span.top, span.bottom), 2)
        return top, left, whole


def _moved(runs: tuple[Run, ...], by: int) -> tuple[Run, ...]:
    return tuple(Run(run.first + by, run.length, run.step) for run in runs) if by else runs


def reflected(picture: Tensor, margin: int = MARGIN) -> Tensor:
    """``(n, 3, h, w)`` continued by reflection on all sides."""
    height, width = picture.shape[-2:]
    tall = taken(picture, reflection(-margin, height + margin, height), 2)
    return taken(tall, reflection(-margin, width + margin, width), 3)
