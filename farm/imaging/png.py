"""PNG: its header and its samples."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from farm.imaging.header import (
    MAX_SEGMENT,
    Header,
    MalformedError,
    Raw,
    exactly,
    exif_orientation,
    segment,
    split,
)  # fmt: skip
from farm.imaging.png_write import MAGIC, chunk

_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_SIXTEEN = {
    0: ("LA", ("LA",)),
    4: ("RGBA", ("RGBA",)),
    2: ("RGB", ("RGB;16B", "RGB;16L")),
    6: ("RGBA", ("RGBA;16B", "RGBA;16L")),
}


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
    """Decode; palettes and colour keys come out as RGB and alpha, every checksum is verified.

    Pillow decodes, and not imagecodecs, whose PNG decoder drops a reference to ``None`` with each file
    it refuses: a server would die of enough broken uploads.
    """
    chunks = [(kind, body) for kind, body in _chunks(data) if kind in _NEEDED]
    plain = MAGIC + b"".join(chunk(kind, body) for kind, body in chunks)
    _, _, bits, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    key = b"".join(body for kind, body in chunks if kind == b"tRNS")
    if bits == 16:
        return _keyed(_sixteen(plain, colour), key)
    with PngImageFile(io.BytesIO(plain)) as image:
        image.load()
        name = "RGBA" if key else {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
        return split(np.array(image.convert(name)), 255)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(MAGIC)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        (stated,) = struct.unpack_from(">I", data, place + 8 + length)
        if zlib.crc32(kind + body) != stated:
            raise MalformedError(f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        yield kind, body
        if kind == b"IEND":
            return
        place += 12 + length


def _sixteen(plain: bytes, colour: int) -> NDArray[np.uint16]:
    """All 16 bits of each sample, by reading the same bytes as 8-bit pixels of the same length.

    Grey is read as grey + alpha and grey + alpha as RGBA; RGB has no such double, so it is read twice,
    for the upper and the lower bytes.
    """
    mode, raws = _SIXTEEN[colour]
    planes = [_bytes(plain, mode, raw).astype(np.uint16) for raw in raws]
    if len(planes) == 2:
        return np.asarray(planes[0] << 8 | planes[1])
    return np.asarray(planes[0][..., 0::2] << 8 | planes[0][..., 1::2])


def _bytes(plain: bytes, mode: str, raw: str) -> NDArray[np.uint8]:
    with PngImageFile(io.BytesIO(plain)) as image:
        image._mode = mode
        image.tile = [tile._replace(args=raw) for tile in image.tile]
        image.load()
        return np.array(image)


def _keyed(array: NDArray[np.uint16], key: bytes) -> Raw:
    """With alpha where the file names one colour as transparent."""
    raw = split(array, 65535)
    if not key:
        return raw
    transparent = np.frombuffer(key, ">u2")
    alpha = np.where((raw.samples == transparent).all(axis=-1), 0, 65535).astype(np.uint16)
    return replace(raw, alpha=alpha)
