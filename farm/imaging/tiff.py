"""TIFF: its header, its samples, and writing one for print."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO, cast

import imagecodecs
import numpy as np
import tifffile
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from farm.imaging.encoding import Encoding
from farm.imaging.header import Header, MalformedError, Raw, Samples, UnsupportedError, split

# Its remarks on broken files would otherwise reach stderr; the errors raised say what matters.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_INTEGER = 1
_ASSOCIATED, _UNASSOCIATED = 1, 2
_SAMPLES = {
    PHOTOMETRIC.MINISWHITE: 1, PHOTOMETRIC.MINISBLACK: 1, PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3, PHOTOMETRIC.YCBCR: 3, PHOTOMETRIC.SEPARATED: 4,
}  # fmt: skip
_JPEG = 7
_COMPRESSIONS = {1, 5, _JPEG, 8, 32946, 32773, 50000}
"""None, LZW, JPEG, deflate (two numbers), PackBits and zstd.

The rarer a codec, the likelier it is there to break its reader.
"""

_SLACK = 4_000_000
_CLASSIC_BYTES = 2**32 - 2**25
"""Of samples; the rest is room for tags and for what deflating adds to samples like noise."""


def header(stream: BinaryIO) -> Header:
    """Read the first directory and count the others; previews beside the picture do not count."""
    with TiffFile(stream) as file:
        page = _first(file)
        pages = sum(not cast("TiffPage", other).is_reduced for other in file.pages[1:])
        return Header(
            format="tiff",
            width=int(page.imagewidth),
            height=int(page.imagelength),
            bits=16 if page.bitspersample > 8 else 8,
            has_alpha=_alpha(page) is not None,
            frames=1 + pages,
            icc=bytes(page.iccprofile or b""),
            orientation=_orientation(page),
        )


def _first(file: TiffFile) -> TiffPage:
    page = file.pages[0]
    if not isinstance(page, TiffPage):
        raise MalformedError("its first directory holds no picture")
    return page


def _orientation(page: TiffPage) -> int:
    value = page.tags.valueof(274, default=1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _alpha(page: TiffPage) -> int | None:
    """Index of the channel that is alpha; further channels are spot colours or masks."""
    colours = _SAMPLES.get(PHOTOMETRIC(page.photometric), 0)
    for index, kind in enumerate(page.extrasamples):
        if kind in (_ASSOCIATED, _UNASSOCIATED):
            return colours + index
    return None


def samples(stream: BinaryIO) -> Raw:
    """Decode the whole picture; strips or tiles that are missing or cut short are errors."""
    with TiffFile(stream) as file:
        page = _first(file)
        _check(page, stream.seek(0, 2))
        array = np.asarray(page.asarray(maxworkers=1))
        if page.planarconfig == 2 and array.ndim == 3:
            array = np.moveaxis(array, 0, 2)
        if array.ndim == 2:
            array = array[..., None]
        return _interpreted(page, array)


def _check(page: TiffPage, file_size: int) -> None:
    """Refuse what would be read wrongly or without bound, before it is read."""
    sides = (int(page.imagelength), int(page.imagewidth))
    colours = _SAMPLES.get(PHOTOMETRIC(page.photometric))
    if colours is None or (page.photometric == PHOTOMETRIC.YCBCR and page.compression != _JPEG):
        name = PHOTOMETRIC(page.photometric).name
        raise UnsupportedError(f"has the colour type {name}; export it as RGB")
    if page.compression not in _COMPRESSIONS:
        raise UnsupportedError(
            f"is compressed by method {int(page.compression)}; export it with LZW or deflate"
        )
    if page.sampleformat != _INTEGER or page.bitspersample > 16:
        raise UnsupportedError("holds neither 8- nor 16-bit integers; export it with 16 bits")
    if not colours <= page.samplesperpixel <= 8 or page.imagedepth != 1:
        raise UnsupportedError(f"has {page.samplesperpixel} channels; flatten it to RGB")
    if np.prod(page.chunks, dtype=float) > 2 * np.prod(sides, dtype=float) * 8 + _SLACK:
        raise MalformedError("its tiles are far larger than the picture")
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    if not page.dataoffsets or any(count == 0 or start + count > file_size for start, count in ends):
        raise MalformedError("the file ends too soon")


def _interpreted(page: TiffPage, array: np.ndarray) -> Raw:
    maximum = (1 << page.bitspersample) - 1
    kind = PHOTOMETRIC(page.photometric)
    stored: Samples = array.astype(np.uint16) if page.bitspersample > 8 else array.astype(np.uint8)
    colour = stored[..., : _SAMPLES[kind]]
    index = _alpha(page)
    alpha = stored[..., index] if index is not None else None
    premultiplied = index is not None and page.extrasamples[index - _SAMPLES[kind]] == _ASSOCIATED
    if kind == PHOTOMETRIC.PALETTE:
        if page.colormap is None:
            raise MalformedError("its palette is missing")
        # Writers disagree whether 255 is stored as 65535 or 65280; the upper byte is common to both.
        palette = (np.moveaxis(page.colormap, 0, 1) >> 8).astype(np.uint8)
        return Raw(palette[colour[..., 0]], 255, "rgb")
    if kind == PHOTOMETRIC.MINISWHITE:
        colour = maximum - colour
    if kind == PHOTOMETRIC.SEPARATED:
        if page.bitspersample != 8:
            raise UnsupportedError("is 16-bit CMYK; export it as RGB, or as 8-bit CMYK")
        return Raw(colour, maximum, "cmyk", alpha, premultiplied)
    plain = split(colour, maximum)
    return Raw(plain.samples, maximum, plain.space, alpha, premultiplied)


def must_be_big(shape: tuple[int, int, int], bits: int) -> bool:
    """Whether the file might pass the 4 GB that 32-bit offsets reach, if deflating saved nothing."""
    return shape[0] * shape[1] * shape[2] * bits // 8 > _CLASSIC_BYTES


def write(
    target: BinaryIO, blocks: Iterator[Samples], shape: tuple[int, int, int], encoding: Encoding, *,
    rows: int, icc: bytes,
) -> None:  # fmt: skip
    """Write deflated strips as they come.

    Args:
        blocks: uint8 or uint16 from the top, each (``rows``, width, 3 or 4) but the last, which ends
            with the picture.
        shape: (height, width, channels) of the whole.
    """
    bits, dpi = encoding.bits, encoding.dpi
    tifffile.imwrite(
        target, map(_deflated, blocks), shape=shape, dtype=np.dtype(f"uint{bits}"), 
        bigtiff=must_be_big(shape, bits) if encoding.big is None else encoding.big,
        photometric="rgb", compression="adobe_deflate", predictor=True, iccprofile=icc,
        extrasamples=["unassalpha"] if shape[2] == 4 else None, rowsperstrip=min(rows, shape[0]),
        resolution=(dpi, dpi), resolutionunit="INCH", description=encoding.note, metadata=None,
        software="style-farm",
    )  # fmt: skip


def _deflated(block: Samples) -> bytes:
    """Horizontal differences (predictor 2), then deflate."""
    return bytes(imagecodecs.deflate_encode(imagecodecs.delta_encode(block, axis=-2).tobytes()))
