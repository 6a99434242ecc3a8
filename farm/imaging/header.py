"""What a file says of itself before its pixels are read, and the samples it then holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from farm.imaging.picture import Bits

Samples = NDArray[np.uint8] | NDArray[np.uint16]
Floats = NDArray[np.float16] | NDArray[np.float32]
Space = Literal["grey", "rgb", "cmyk"]
FormatName = Literal["jpeg", "png", "tiff", "webp", "exr"]

MAX_SEGMENT = 8_000_000
"""Bytes of a profile or EXIF block beyond which a file is taken for an attack."""


class MalformedError(ValueError):
    """The file breaks its format's rules; the message says how, for inside a sentence."""


class UnsupportedError(ValueError):
    """A sound file of a kind that is not taken; the message says what to do, for inside a sentence."""


@dataclass(frozen=True)
class Header:
    """Facts from a file's header. Width and height are those stored, before ``orientation``."""

    format: FormatName
    width: int
    height: int
    bits: Bits
    has_alpha: bool = False
    frames: int = 1
    icc: bytes = b""
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) once the EXIF orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True)
class Raw:
    """Samples as stored: integers (height, width, channels) from 0 to ``maximum``, alpha split off.

    ``cmyk`` samples count ink: 0 is none.
    """

    samples: Samples
    maximum: int
    space: Space
    alpha: Samples | None = None
    premultiplied: bool = False


def split(samples: Samples, maximum: int) -> Raw:
    """Grey, grey + alpha, RGB or RGB + alpha by the number of channels."""
    if samples.ndim == 2:
        samples = samples[..., None]
    channels = samples.shape[2]
    if channels not in (1, 2, 3, 4):
        raise UnsupportedError(f"has {channels} channels; flatten it to RGB")
    colours = 1 if channels < 3 else 3
    alpha = samples[..., -1] if channels in (2, 4) else None
    return Raw(samples[..., :colours], maximum, "grey" if colours == 1 else "rgb", alpha)


def exactly(stream: BinaryIO, count: int) -> bytes:
    """The next ``count`` bytes.

    Raises:
        MalformedError: the file ends before them.
    """
    data = stream.read(count)
    if len(data) != count:
        raise MalformedError("the file ends too soon")
    return data


def segment(stream: BinaryIO, count: int) -> bytes:
    """A profile or EXIF block of ``count`` bytes, bounded."""
    if count > MAX_SEGMENT:
        raise MalformedError(f"a block of {count} bytes where a profile or EXIF was expected")
    return exactly(stream, count)


def exif_orientation(exif: bytes) -> int:
    """The orientation tag (1 to 8) of an EXIF block, 1 where there is none that can be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, start)
        for index in range(entries):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * index)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
