"""What is needed of an ICC profile (ICC.1:2022): its name, its space, its curves and its matrix."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from farm.imaging.header import MalformedError, UnsupportedError

Values = NDArray[np.float64]
Curve = Callable[[Values], Values]
_SPACES: dict[bytes, Literal["rgb", "grey", "cmyk"]] = {
    b"RGB ": "rgb",
    b"GRAY": "grey",
    b"CMYK": "cmyk",
}
_HEADER = 128
_FIXED = 65536.0
_MAX_TAGS = 200
_PARAMETERS = (1, 3, 4, 5, 7)


@dataclass(frozen=True)
class Icc:
    """A profile. ``curves`` is ``None`` where only its tables describe it.

    ``matrix`` (3, 3) takes linear device values to XYZ relative to D50; ``None`` for grey.
    """

    name: str
    space: Literal["rgb", "grey", "cmyk"]
    curves: tuple[Curve, ...] | None = None
    matrix: Values | None = None


def parse(data: bytes) -> Icc:
    """Read a profile.

    Raises:
        MalformedError: it is not a profile, or cut short.
        UnsupportedError: it describes neither RGB, grey nor CMYK.
    """
    try:
        tags = _tags(data)
        space = _SPACES.get(data[16:20])
        if space is None:
            raise UnsupportedError("has no RGB, grey or CMYK colour profile; export it as sRGB")
        name = _name(tags.get(b"desc", b""))
        if space == "grey" and b"kTRC" in tags:
            return Icc(name, space, (_curve(tags[b"kTRC"]),))
        if space == "rgb" and b"A2B0" not in tags and data[20:24] == b"XYZ ":
            curves = tuple(_curve(tags[tag]) for tag in (b"rTRC", b"gTRC", b"bTRC"))
            columns = [_xyz(tags[tag]) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
            return Icc(name, space, curves, np.array(columns).T)
        return Icc(name, space)
    except (struct.error, KeyError, IndexError, UnicodeDecodeError):
        raise MalformedError("its colour profile cannot be read") from None


def _tags(data: bytes) -> dict[bytes, bytes]:
    if data[36:40] != b"acsp":
        raise MalformedError("its colour profile cannot be read")
    (count,) = struct.unpack_from(">I", data, _HEADER)
    tags = {}
    for index in range(min(count, _MAX_TAGS)):
        name, start, size = struct.unpack_from(">4sII", data, _HEADER + 4 + 12 * index)
        tags[name] = data[start : start + size]
    return tags


def _name(tag: bytes) -> str:
    """The profile's description, in either of its two encodings."""
    if tag[:4] == b"desc":
        (length,) = struct.unpack_from(">I", tag, 8)
        return tag[12 : 12 + length].rstrip(b"\0").decode("ascii", "replace")
    if tag[:4] == b"mluc":
        length, start = struct.unpack_from(">II", tag, 20)
        return tag[start : start + length].decode("utf-16-be", "replace").rstrip("\0")
    return "unnamed"


def _xyz(tag: bytes) -> tuple[float, float, float]:
    x, y, z = struct.unpack_from(">iii", tag, 8)
    return x / _FIXED, y / _FIXED, z / _FIXED


def _curve(tag: bytes) -> Curve:
    """A tone curve: table, gamma or parametric."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda x: x
        points = np.array(struct.unpack_from(f">{count}H", tag, 12), dtype=np.float64)
        if count == 1:
            return lambda x: np.power(x, points[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), points / 65535)
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        count = _PARAMETERS[kind]
        return _parametric(kind, *(v / _FIXED for v in struct.unpack_from(f">{count}i", tag, 12)))
    raise MalformedError("its colour profile has a curve of no known kind")


def _parametric(kind: int, g: float, a: float = 1, b: float = 0, *rest: float) -> Curve:
    """Functions 0 to 4 of ICC.1:2022, table 68, all as (a·x + b)^g + e above d and c·x + f below."""
    c = d = e = f = 0.0
    if kind in (1, 2):
        d = -b / a if a else 0.0
        e = f = rest[0] if kind == 2 else 0.0
    elif kind >= 3:
        c, d = rest[0], rest[1]
        e, f = (rest[2], rest[3]) if kind == 4 else (0.0, 0.0)
    return lambda x: np.where(x >= d, np.power(np.maximum(a * x + b, 0), g) + e, c * x + f)
