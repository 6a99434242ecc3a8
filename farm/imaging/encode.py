"""Writing pictures with their profile, density and history; the same picture gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from farm.imaging.encoding import Encoding, FileFormat
from farm.imaging.picture import Array, Bits, Picture
from farm.imaging.strips import write_strips

__all__ = ["FileFormat", "encode", "media_type"]

_ROWS = 256
_MEDIA_TYPES = {
    "tiff": "image/tiff", "png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp",
    "exr": "image/x-exr",
}  # fmt: skip


def media_type(name: str) -> str:
    """The media type of a format: ``tiff`` is ``image/tiff``."""
    return _MEDIA_TYPES[name]


def encode(
    picture: Picture,
    target: str | Path | BinaryIO,
    *,
    format: FileFormat,  # noqa: A002
    bits: Bits,
    dpi: float = 300.0,
    quality: int = 95,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a picture that is in memory: sRGB, or scene-linear light in an EXR.

    A picture with a shaper gets its light back in EXR, and is clipped at white in other formats. Its
    alpha, where it has one, is written too. The other arguments are those of ``Encoding`` and
    ``write_strips``, and so are the errors.
    """
    encoding = Encoding(format, bits, dpi, quality, metadata or {})
    size, alpha = (picture.width, picture.height), picture.alpha is not None
    write_strips(target, _strips(picture), size, encoding, alpha=alpha, shaper=picture.shaper)


def _strips(picture: Picture) -> Iterator[Array]:
    for top in range(0, picture.height, _ROWS):
        pixels = picture.pixels[top : top + _ROWS]
        if picture.alpha is None:
            yield pixels
        else:
            yield np.concatenate([pixels, picture.alpha[top : top + _ROWS, :, None]], axis=2)
