"""Contact sheets: labelled pictures side by side in rows that fill the width."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from farm.imaging.picture import Array
from farm.imaging.resize import resize

_MARGIN, _GAP, _ROW_GAP = 56, 28, 40
_GROUND, _INK, _DIM, _RULE = (24, 24, 26), (238, 238, 240), (158, 158, 164), (58, 58, 62)
_TITLE, _LABEL, _NOTE, _FOOTER = 40, 22, 17, 16
_LEADING = 1.35
_CAPTION_LINES = 2
_IDEAL_HEIGHT = 0.26
_MAX_HEIGHT = 0.55

_ALIKE = str.maketrans({"—": "-", "–": "-", "−": "-", "×": "x", "→": ">", "’": "'", "ß": "ss"})
_DRAWN = "·°±“”"

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Cell:
    """A picture, float32 (height, width, 3) from 0 to 1, with a title and a line or two below it."""

    picture: Array
    title: str
    caption: str = ""

    @property
    def aspect(self) -> float:
        """Width by height."""
        return float(self.picture.shape[1] / self.picture.shape[0])


@dataclass(frozen=True)
class _Row:
    cells: tuple[Cell, ...]
    height: float
    text_height: int

    @property
    def widths(self) -> list[int]:
        """Whole pixels that add up to the row's width, however its cells round."""
        edges = np.rint(np.cumsum([0.0, *(cell.aspect * self.height for cell in self.cells)]))
        return [max(1, int(across)) for across in np.diff(edges)]

    @property
    def down(self) -> int:
        """Height of its pictures in pixels."""
        return round(self.height)


def contact_sheet(
    cells: Sequence[Cell], *, width: int = 1800, title: str = "", footer: str = ""
) -> Array:
    """The sheet as a picture, float32 (height, ``width``, 3), 0 to 1.

    Rows are broken where their heights come out most even; each is as wide as the sheet, except a row
    whose pictures would become too tall, which is centred.
    """
    rows = [_row(group, width) for group in _broken(cells, width)]
    top = _MARGIN + (_line(_TITLE) + _GAP if title else 0)
    body = sum(row.down + row.text_height for row in rows) + _ROW_GAP * max(0, len(rows) - 1)
    height = top + body + (_GAP + _line(_FOOTER) if footer else 0) + _MARGIN
    sheet = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text(
            (_MARGIN, _MARGIN - 10), _fitted(title, _TITLE, width - 2 * _MARGIN), _INK, _font(_TITLE)
        )
        under = _MARGIN + _line(_TITLE) - 2
        draw.line((_MARGIN, under, width - _MARGIN - 1, under), _RULE, 1)
    for row in rows:
        _draw_row(sheet, draw, row, top)
        top += row.down + row.text_height + _ROW_GAP
    if footer:
        text = _fitted(footer, _FOOTER, width - 2 * _MARGIN)
        draw.text((_MARGIN, height - _MARGIN - _line(_FOOTER) + 8), text, _DIM, _font(_FOOTER))
    return np.asarray(sheet, dtype=np.float32) / np.float32(255)


def _broken(cells: Sequence[Cell], width: int) -> list[Sequence[Cell]]:
    """Rows by dynamic programming: the least sum of squared log distances from the ideal height."""
    ideal = width * _IDEAL_HEIGHT
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(cells) + 1):
        best.append(
            min(
                (best[start][0] + float(np.log(_natural(cells[start:end], width) / ideal)) ** 2, start)
                for start in range(end)
            )
        )
    rows, end = [], len(cells)
    while end:
        start = best[end][1]
        rows.append(cells[start:end])
        end = start
    return rows[::-1]


def _natural(cells: Sequence[Cell], width: int) -> float:
    """The height at which these cells fill the width."""
    room = width - 2 * _MARGIN - _GAP * (len(cells) - 1)
    return max(room, len(cells)) / sum(cell.aspect for cell in cells)


def _row(cells: Sequence[Cell], width: int) -> _Row:
    height = max(1.0, min(_natural(cells, width), width * _MAX_HEIGHT))
    bare = _Row(tuple(cells), height, 0)
    lines = max(
        len(_wrapped(cell.caption, across)) for cell, across in zip(cells, bare.widths, strict=True)
    )
    titled = any(cell.title for cell in cells)
    text = (12 if titled or lines else 0) + (_line(_LABEL) if titled else 0) + lines * _line(_NOTE)
    return _Row(tuple(cells), height, text)


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: _Row, top: int) -> None:
    spare = sheet.width - 2 * _MARGIN - sum(row.widths) - _GAP * (len(row.cells) - 1)
    left = _MARGIN + (spare // 2 if spare > _GAP else 0)
    for cell, across in zip(row.cells, row.widths, strict=True):
        pixels = np.rint(resize(cell.picture, (across, row.down)) * 255).astype(np.uint8)
        sheet.paste(Image.fromarray(pixels), (left, top))
        line = top + row.down + 12
        if cell.title:
            draw.text((left, line), _fitted(cell.title, _LABEL, across), _INK, _font(_LABEL))
            line += _line(_LABEL)
        for words in _wrapped(cell.caption, across):
            draw.text((left, line), words, _DIM, _font(_NOTE))
            line += _line(_NOTE)
        left += across + _GAP


def _wrapped(text: str, width: int) -> list[str]:
    """At most two lines; what does not fit ends in an ellipsis."""
    words, lines = _drawable(text).split(), [""]
    while words:
        longer = f"{lines[-1]} {words[0]}".strip()
        if lines[-1] and _length(longer, _NOTE) > width:
            if len(lines) == _CAPTION_LINES:
                lines[-1] = " ".join([lines[-1], *words])
                break
            lines.append("")
        else:
            lines[-1] = longer
            words.pop(0)
    return [_fitted(line, _NOTE, width) for line in lines if line]


def _drawable(text: str) -> str:
    """Text in the glyphs that Pillow's built-in font has: é loses its accent, × becomes x."""
    plain = unicodedata.normalize("NFKD", text.translate(_ALIKE))
    return "".join(
        c if c.isascii() or c in _DRAWN else "" if unicodedata.combining(c) else "?" for c in plain
    )


def _fitted(text: str, size: int, width: int) -> str:
    text = _drawable(text)
    if _length(text, size) <= width:
        return text
    while text and _length(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _length(text: str, size: int) -> float:
    return float(_font(size).getlength(text))


def _line(size: int) -> int:
    return round(size * _LEADING)


@cache
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)
