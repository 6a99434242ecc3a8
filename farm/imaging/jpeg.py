"""JPEG: its header and its samples."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from farm.imaging.encoding import Encoding
from farm.imaging.header import (
    Header,
    MalformedError,
    Raw,
    UnsupportedError,
    exactly,
    exif_orientation,
    split,
)

MAGIC = b"\xff\xd8\xff"
_ICC = b"ICC_PROFILE\0"
_SOI, _SOS, _EOI, _APP1, _APP2 = 0xD8, 0xDA, 0xD9, 0xE1, 0xE2
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_KEPT_APPS = {0xE0, 0xEE}


def _segments(stream: BinaryIO) -> list[tuple[int, bytes]]:
    """(marker, body) of every segment before the first scan; the stream is left at the scan."""
    exactly(stream, 2)
    found = []
    while True:
        if exactly(stream, 1) != b"\xff":
            raise MalformedError("a marker is missing between its segments")
        marker = exactly(stream, 1)[0]
        while marker == 0xFF:
            marker = exactly(stream, 1)[0]
        if marker == _EOI:
            raise MalformedError("it has no scan")
        (length,) = struct.unpack(">H", exactly(stream, 2))
        if length < 2:
            raise MalformedError("a segment is shorter than its own length field")
        found.append((marker, exactly(stream, length - 2)))
        if marker == _SOS:
            return found


def header(stream: BinaryIO) -> Header:
    """Read the segments before the first scan."""
    frame, icc, orientation = b"", {}, 1
    for marker, body in _segments(stream):
        if marker in _FRAMES:
            frame = body
        elif marker == _APP1 and body.startswith(b"Exif\0\0"):
            orientation = exif_orientation(body)
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > 14:
            icc[body[12]] = body[14:]
    if len(frame) < 6:
        raise MalformedError("it has no frame header")
    precision, height, width, _ = struct.unpack(">BHHB", frame[:6])
    if precision != 8:
        raise UnsupportedError(
            f"has {precision} bits per sample; export it with 8, or as a 16-bit TIFF or PNG"
        )
    profile = b"".join(icc[index] for index in sorted(icc))
    return Header("jpeg", width, height, bits=8, icc=profile, orientation=orientation)


def samples(data: bytes) -> Raw:
    """Decode the whole picture; a file that ends early is an error, never grey filling."""
    with JpegImageFile(io.BytesIO(_without_metadata(data))) as image:
        image.load()
        if image.mode not in ("L", "RGB", "CMYK"):
            raise UnsupportedError(f"has the colour mode {image.mode}; export it as RGB")
        array = np.asarray(image)
        if image.mode == "CMYK":
            return Raw(array, 255, "cmyk")
    return split(array, 255)


def _without_metadata(data: bytes) -> bytes:
    """The same picture without EXIF, profiles and the like, which Pillow would read and warn about."""
    stream = io.BytesIO(data)
    kept = [b"\xff\xd8"]
    for marker, body in _segments(stream):
        if marker not in range(0xE0, 0xF0) or marker in _KEPT_APPS:
            kept.append(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
    return b"".join([*kept, data[stream.tell() :]])


def encoded(array: np.ndarray, encoding: Encoding, *, icc: bytes) -> bytes:
    """A JPEG of uint8 (height, width, 3) with colour at full resolution (4:4:4)."""
    out = io.BytesIO()
    Image.fromarray(array).save(
        out, "JPEG", quality=encoding.quality, subsampling=0, optimize=False, icc_profile=icc,
        dpi=(round(encoding.dpi), round(encoding.dpi)), comment=encoding.note,
    )  # fmt: skip
    return out.getvalue()
