"""Writing PNG row by row, with a profile, a density and text (W3C PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from farm.imaging.encoding import Encoding
from farm.imaging.header import Samples

MAGIC = b"\x89PNG\r\n\x1a\n"
_LEVEL = 6
_RGB, _RGBA = 2, 6
_PIECE = 2**20
"""Bytes filtered at once, so that temporaries stay in the cache."""

Bytes = NDArray[np.uint8]


def write(
    target: BinaryIO, blocks: Iterator[Samples], shape: tuple[int, int, int], encoding: Encoding, *,
    icc: bytes,
) -> None:  # fmt: skip
    """Write uint8 or uint16 blocks (rows, width, 3 or 4) as they come, from the top.

    Args:
        shape: (height, width, channels) of the whole.
    """
    height, width, channels = shape
    colour = _RGBA if channels == 4 else _RGB
    bits, per_metre = encoding.bits, round(encoding.dpi / 0.0254)
    target.write(MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)))
    target.write(chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc)))
    target.write(chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)))
    for key, value in {"Software": "style-farm", **encoding.metadata}.items():
        target.write(_text(key, value))
    deflater = zlib.compressobj(_LEVEL)
    for piece in _filtered(blocks, width * channels * bits // 8, channels * bits // 8):
        if body := deflater.compress(piece):
            target.write(chunk(b"IDAT", body))
    target.write(chunk(b"IDAT", deflater.flush()) + chunk(b"IEND", b""))


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _text(key: str, value: str) -> bytes:
    keyword = key.encode("latin-1", "replace")[:79]
    try:
        return chunk(b"tEXt", keyword + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return chunk(b"iTXt", keyword + b"\0\0\0\0\0" + value.encode())


def _filtered(blocks: Iterator[Samples], row_bytes: int, pixel_bytes: int) -> Iterator[bytes]:
    """Filtered rows, each after the number of its filter."""
    above = np.zeros((1, row_bytes), np.uint8)
    rows = max(1, _PIECE // row_bytes)
    for block in blocks:
        order = block.dtype.newbyteorder(">")
        stored = np.ascontiguousarray(block, order).view(np.uint8).reshape(len(block), row_bytes)
        for top in range(0, len(stored), rows):
            piece = stored[top : top + rows]
            yield _best(piece, np.concatenate([above, piece[:-1]]), pixel_bytes).tobytes()
            above = piece[-1:].copy()


def _best(here: Bytes, up: Bytes, pixel_bytes: int) -> Bytes:
    """Each row by the filter whose differences have the least sum, as the specification advises."""
    best = np.empty((len(here), 1 + here.shape[1]), np.uint8)
    least = np.full(len(here), np.iinfo(np.uint64).max, np.uint64)
    for number, foretold in enumerate(_predictions(here, up, pixel_bytes)):
        rest = here - foretold
        cost = np.minimum(rest, -rest).sum(axis=1, dtype=np.uint64)
        better = cost < least
        best[better, 0] = number
        best[better, 1:] = rest[better]
        least[better] = cost[better]
    return best


def _predictions(here: Bytes, up: Bytes, pixel_bytes: int) -> Iterator[Bytes]:
    """None, Sub, Up, Average and Paeth: filters 0 to 4."""
    left, corner = _shifted(here, pixel_bytes), _shifted(up, pixel_bytes)
    yield np.zeros_like(here)
    yield left
    yield up
    yield ((left.astype(np.uint16) + up) >> 1).astype(np.uint8)
    across, down = up.astype(np.int16) - corner, left.astype(np.int16) - corner
    by_left, by_up, by_corner = abs(across), abs(down), abs(across + down)
    vertical = np.where(by_up <= by_corner, up, corner)
    yield np.where((by_left <= by_up) & (by_left <= by_corner), left, vertical)


def _shifted(rows: Bytes, pixel_bytes: int) -> Bytes:
    """The byte of the pixel to the left, 0 at the edge."""
    out = np.zeros_like(rows)
    out[:, pixel_bytes:] = rows[:, :-pixel_bytes]
    return out
