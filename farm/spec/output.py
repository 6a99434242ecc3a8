"""What the finished picture must be: its size, its file format, its print density."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from farm.spec.base import Value

MM_PER_INCH = 25.4
_UNITS = {"px": None, "mm": 1.0, "cm": 10.0, "in": MM_PER_INCH}
PAPERS: dict[str, tuple[float, float]] = {
    "A0": (841, 1189), "A1": (594, 841), "A2": (420, 594), "A3": (297, 420), "A4": (210, 297),
    "A5": (148, 210), "A6": (105, 148), "Letter": (215.9, 279.4), "Tabloid": (279.4, 431.8),
}  # fmt: skip
"""Paper sizes in millimetres, short side first (ISO 216; ANSI)."""

Paper = Literal["A0", "A1", "A2", "A3", "A4", "A5", "A6", "Letter", "Tabloid"]
MAX_EDGE = 200_000


class Length(Value):
    """A length in pixels, or in millimetres that a density turns into pixels."""

    pixels: int | None = None
    millimetres: float | None = None

    def at(self, dpi: float) -> int:
        """Whole pixels at ``dpi`` dots per inch."""
        if self.pixels is not None:
            return self.pixels
        assert self.millimetres is not None
        return round(self.millimetres / MM_PER_INCH * dpi)


def _length(value: object) -> object:
    """Accept ``1024``, ``"1024 px"``, ``"30 cm"``, ``"210mm"``, ``"11.7 in"``."""
    if isinstance(value, bool):
        raise ValueError("a length is needed, such as 1024 or '30 cm'")
    if isinstance(value, int):
        return {"pixels": value}
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value)
    if not match:
        raise ValueError("write a length as 1024, '1024 px', '30 cm', '210 mm' or '11.7 in'")
    number, unit = float(match[1]), match[2] or "px"
    if unit not in _UNITS:
        raise ValueError(f"no unit {unit!r}; use px, mm, cm or in")
    scale = _UNITS[unit]
    if scale is None:
        if number != int(number):
            raise ValueError("pixels are whole; round it")
        return {"pixels": int(number)}
    return {"millimetres": number * scale}


class Output(Value):
    """Size, format and density. Give exactly one of ``long_edge`` and ``paper``.

    The picture keeps the content's proportions: ``long_edge`` sets its longer side, ``paper`` is
    filled as far as the proportions allow, turned to the content's orientation. EXR is written in
    scene-linear light, the other formats in ``profile``.
    """

    long_edge: Annotated[Length, BeforeValidator(_length)] | None = None
    paper: Paper | None = None
    dpi: float = Field(default=300.0, ge=10, le=4800)
    format: Literal["tiff", "png", "jpeg", "exr"] = "tiff"
    bit_depth: Literal[8, 16, 32] | None = None
    profile: Literal["srgb"] = "srgb"
    background: str = Field(default="#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")
    alpha: Literal["keep", "compose"] = "compose"

    @model_validator(mode="after")
    def _consistent(self) -> Output:
        if (self.long_edge is None) == (self.paper is None):
            raise ValueError("give exactly one of long_edge and paper")
        if self.format == "jpeg" and (self.bit_depth == 16 or self.alpha == "keep"):
            raise ValueError("jpeg holds 8 bits and no alpha; use tiff or png")
        if self.bit_depth == 32 and self.format != "exr":
            raise ValueError(f"{self.format} does not hold 32 bits; use exr")
        if self.bit_depth == 8 and self.format == "exr":
            raise ValueError("exr holds 16 bits (half) or 32 (float), not 8; use 16, or tiff or png")
        if self.long_edge and not 16 <= self.long_edge.at(self.dpi) <= MAX_EDGE:
            raise ValueError(f"long_edge must come to 16-{MAX_EDGE} pixels")
        return self

    @property
    def bits(self) -> Literal[8, 16, 32]:
        """Bits per channel: as asked, else 8 for JPEG and 16 for the others (half in EXR)."""
        return self.bit_depth or (8 if self.format == "jpeg" else 16)

    def size(self, content: tuple[int, int]) -> tuple[int, int]:
        """The output's (width, height) in pixels for a content of (width, height) pixels."""
        width, height = content
        if self.long_edge is not None:
            factor = self.long_edge.at(self.dpi) / max(width, height)
        else:
            assert self.paper is not None
            short, long = (side / MM_PER_INCH * self.dpi for side in PAPERS[self.paper])
            across, down = (long, short) if width >= height else (short, long)
            factor = min(across / width, down / height)
        return max(1, round(width * factor)), max(1, round(height * factor))
