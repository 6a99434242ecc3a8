"""WebP: its header and its samples."""

from __future__ import annotations

import struct
from typing import BinaryIO

import imagecodecs

from farm.imaging.header import Header, MalformedError, Raw, exactly, exif_orientation, segment, split

_ALPHA, _ANIMATED = 0x10, 0x02


def matches(magic: bytes) -> bool:
    """Whether a file that starts with these bytes is a WebP."""
    return magic[:4] == b"RIFF" and magic[8:12] == b"WEBP"


def header(stream: BinaryIO) -> Header:
    """Walk the RIFF chunks, stepping over pixel data."""
    (size,) = struct.unpack("<4xI4x", exactly(stream, 12))
    end = stream.tell() - 4 + size
    canvas: tuple[int, int, int] | None = None
    icc = exif = b""
    while stream.tell() + 8 <= end:
        kind, length = struct.unpack("<4sI", exactly(stream, 8))
        start = stream.tell()
        if kind == b"ICCP":
            icc = segment(stream, length)
        elif kind == b"EXIF":
            exif = segment(stream, length)
        elif canvas is None:
            canvas = _canvas(kind, exactly(stream, min(length, 10)))
        stream.seek(start + length + length % 2)
    if canvas is None:
        raise MalformedError("it has no picture chunk")
    if stream.seek(0, 2) < end:
        raise MalformedError("the file ends too soon")
    width, height, flags = canvas
    return Header(
        "webp", width, height, bits=8, has_alpha=bool(flags & _ALPHA),
        frames=2 if flags & _ANIMATED else 1, icc=icc, orientation=exif_orientation(exif),
    )  # fmt: skip


def _canvas(kind: bytes, body: bytes) -> tuple[int, int, int] | None:
    """(width, height, flags) from whichever chunk leads: extended, lossy or lossless."""
    try:
        if kind == b"VP8X":
            flags, across, down = body[0], body[4:7] + b"\0", body[7:10] + b"\0"
            width, height = (struct.unpack("<I", edge)[0] + 1 for edge in (across, down))
            return width, height, flags
        if kind == b"VP8L":
            (packed,) = struct.unpack_from("<I", body, 1)
            return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, _ALPHA * (packed >> 28 & 1)
        if kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            return width & 0x3FFF, height & 0x3FFF, 0
    except (struct.error, IndexError):
        raise MalformedError("its picture chunk is cut short") from None
    return None


def samples(data: bytes) -> Raw:
    """Decode the whole picture."""
    return split(imagecodecs.webp_decode(data), 255)
