"""Writing pictures with their profile, density and history; the same picture gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from farm.errors import InvalidInput
from farm.imaging import jpeg, png, tiff
from farm.imaging.colour import srgb_profile
from farm.imaging.header import Samples
from farm.imaging.picture import Array, Picture

_ROWS = 256
_MEDIA_TYPES = {"tiff": "image/tiff", "png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
FileFormat = Literal["tiff", "png", "jpeg"]


def media_type(name: str) -> str:
    """The media type of a format: ``tiff`` is ``image/tiff``."""
    return _MEDIA_TYPES[name]


def encode(
    picture: Picture,
    target: str | Path | BinaryIO,
    *,
    format: FileFormat,  # noqa: A002
    bits: Literal[8, 16],
    dpi: float = 300.0,
    quality: int = 95,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write an sRGB file.

    Args:
        picture: its alpha, where it has one, is written to TIFF and PNG.
        target: a path, or a binary file open for writing (TIFF needs one that can seek).
        format: ``tiff`` (deflated), ``png`` or ``jpeg`` (4:4:4).
        bits: per channel; values are rounded to the nearest, without dithering.
        dpi: dots per inch, whole for JPEG.
        quality: of JPEG, 1 to 95.
        metadata: kept as JSON in TIFF's ImageDescription and JPEG's comment, as text chunks in PNG.

    Raises:
        InvalidInput: the format cannot hold the picture, a pixel is not a number, or the path cannot
            be written.
    """
    _check(picture, format, bits)
    array = _quantised(picture, bits)
    if isinstance(target, (str, Path)):
        try:
            with Path(target).open("w+b") as file:
                _write(array, file, format, dpi, quality, metadata or {})
        except OSError as error:
            reason = (error.strerror or "error").lower()
            raise InvalidInput(
                f"output: {str(target)!r} cannot be written ({reason}); choose another path.",
                field="output",
            ) from None
    else:
        _write(array, target, format, dpi, quality, metadata or {})


def _check(picture: Picture, name: FileFormat, bits: int) -> None:
    if name == "jpeg" and bits != 8:
        raise InvalidInput(
            f"output.bit_depth: JPEG holds 8 bits, not {bits}; use tiff or png.",
            field="output.bit_depth",
        )
    if name == "jpeg" and picture.alpha is not None:
        raise InvalidInput("output.alpha: JPEG holds no alpha; use tiff or png.", field="output.alpha")
    if name == "jpeg" and max(picture.width, picture.height) > jpeg.MAX_EDGE:
        raise InvalidInput(
            f"output.format: JPEG holds no edge over {jpeg.MAX_EDGE} pixels and this is"
            f" {picture.width}×{picture.height}; use tiff.",
            field="output.format",
        )


def _quantised(picture: Picture, bits: Literal[8, 16]) -> Samples:
    """Whole numbers (height, width, 3 or 4), band by band so that temporaries stay small."""
    channels = 3 if picture.alpha is None else 4
    shape = (picture.height, picture.width, channels)
    out: Samples = np.empty(shape, np.uint16) if bits == 16 else np.empty(shape, np.uint8)
    for top in range(0, picture.height, _ROWS):
        rows = slice(top, top + _ROWS)
        out[rows, :, :3] = _rounded(picture.pixels[rows], bits)
        if picture.alpha is not None:
            out[rows, :, 3] = _rounded(picture.alpha[rows], bits)
    return out


def _rounded(band: Array, bits: int) -> Array:
    if not np.isfinite(band).all():
        raise InvalidInput(
            "picture: it holds pixels that are not numbers, so it was not written; render it again with"
            " engine.precision 'float32'.",
            field="picture",
        )
    whole: Array = np.rint(np.clip(band, 0, 1) * np.float32((1 << bits) - 1))
    return whole


def _write(
    array: Samples,
    file: BinaryIO,
    name: FileFormat,
    dpi: float,
    quality: int,
    metadata: Mapping[str, str],
) -> None:
    icc = srgb_profile()
    if name == "png":
        file.write(png.encoded(array, icc=icc, dpi=dpi, text={"Software": "style-farm", **metadata}))
        return
    note = json.dumps(dict(metadata), sort_keys=True)
    if name == "tiff":
        tiff.write(file, array, icc=icc, dpi=dpi, description=note)
    else:
        file.write(jpeg.encoded(array, icc=icc, dpi=dpi, quality=quality, comment=note))
