"""PNG: its header, its samples, and writing one with a profile, a density and text."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import imagecodecs
import numpy as np

from farm.imaging.header import (
    MAX_SEGMENT,
    Header,
    MalformedError,
    Raw,
    Samples,
    exactly,
    exif_orientation,
    segment,
    split,
)  # fmt: skip

MAGIC = b"\x89PNG\r\n\x1a\n"
_AFTER_IHDR = 33
_LEVEL = 6


def header(stream: BinaryIO) -> Header:
    """Walk the chunks, stepping over pixel data, to the end of the file."""
    exactly(stream, len(MAGIC))
    if struct.unpack(">I4s", exactly(stream, 8)) != (13, b"IHDR"):
        raise MalformedError("its first chunk is not IHDR")
    width, height, bits, colour = struct.unpack(">IIBB", exactly(stream, 13)[:10])
    exactly(stream, 4)
    kept: dict[bytes, bytes] = {}
    while True:
        length, kind = struct.unpack(">I4s", exactly(stream, 8))
        if kind in (b"iCCP", b"eXIf", b"tRNS", b"acTL"):
            kept[kind] = segment(stream, length)
        else:
            stream.seek(length, 1)
        exactly(stream, 4)
        if kind == b"IEND":
            break
    return Header(
        format="png",
        width=width,
        height=height,
        bits=16 if bits == 16 else 8,
        has_alpha=colour in (4, 6) or b"tRNS" in kept,
        frames=struct.unpack(">I", kept[b"acTL"][:4])[0] if b"acTL" in kept else 1,
        icc=_inflated(kept[b"iCCP"]) if b"iCCP" in kept else b"",
        orientation=exif_orientation(kept.get(b"eXIf", b"")),
    )


def _inflated(chunk: bytes) -> bytes:
    """The profile in an iCCP chunk: name, NUL, method, then deflated bytes."""
    name_ends = chunk.index(b"\0")
    inflater = zlib.decompressobj()
    profile = inflater.decompress(chunk[name_ends + 2 :], MAX_SEGMENT)
    if not inflater.eof:
        raise MalformedError("its colour profile is cut short or inflates without end")
    return profile


def samples(data: bytes) -> Raw:
    """Decode; palettes and colour keys come out as RGB and alpha, checksums are verified."""
    array: Samples = imagecodecs.png_decode(data)
    return split(array, 65535 if array.dtype == np.uint16 else 255)


def encoded(array: Samples, *, icc: bytes, dpi: float, text: Mapping[str, str]) -> bytes:
    """A PNG of uint8 or uint16 (height, width, 3 or 4)."""
    plain = bytes(imagecodecs.png_encode(array, level=_LEVEL))
    per_metre = round(dpi / 0.0254)
    extra = [
        _chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc)),
        _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        *(_text(key, value) for key, value in text.items()),
    ]
    return b"".join([plain[:_AFTER_IHDR], *extra, plain[_AFTER_IHDR:]])


def _text(key: str, value: str) -> bytes:
    keyword = key.encode("latin-1", "replace")[:79]
    try:
        return _chunk(b"tEXt", keyword + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", keyword + b"\0\0\0\0\0" + value.encode())


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
