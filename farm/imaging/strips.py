"""Writing a picture strip by strip, for pictures that no memory holds whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np

from farm.imaging import exr, jpeg, png_write, tiff
from farm.imaging.colour import srgb_profile
from farm.imaging.encoding import Encoding
from farm.imaging.header import Samples
from farm.imaging.picture import Array
from farm.imaging.shaper import Shaper
from farm.store.files import publish

_BLOCK = 2_000_000
"""Pixels that are converted and compressed at once."""

Shape = tuple[int, int, int]


def write_strips(
    target: str | Path | BinaryIO,
    strips: Iterable[Array],
    size: tuple[int, int],
    encoding: Encoding,
    *,
    alpha: bool = False,
    shaper: Shaper | None = None,
) -> None:
    """Write a file from strips, each asked for when the one before is dealt with.

    The bytes depend on the pixels alone, not on where one strip ends and the next begins. At any time
    at most one strip and 2 megapixels are held; JPEG holds the whole picture, at 8 bits.

    Args:
        target: a path, which appears whole or not at all, or a binary file open for writing (TIFF
            needs one that can seek, EXR goes through a temporary file).
        strips: float32 (rows, width, 3), or 4 with ``alpha``, from the top: values from 0 to 1 as in
            ``Picture``, alpha not multiplied in.
        size: (width, height) of the whole.
        shaper: that of the picture, ``None`` where its values are sRGB.

    Raises:
        InvalidInput: the format cannot hold the picture, a pixel is not a number, or the path is a
            folder.
        Unavailable: the path cannot be written; nothing is left behind.
        ValueError: the strips do not make up the picture.
    """
    width, height = size
    shape = (height, width, 4 if alpha else 3)
    encoding.check(width, height, alpha=alpha)
    blocks = _regrouped(strips, shape)
    if not isinstance(target, (str, Path)):
        _to_file(target, blocks, shape, encoding, shaper)
        return
    publish(Path(target), lambda path: _to_path(path, blocks, shape, encoding, shaper))


def _rows(width: int) -> int:
    return max(1, _BLOCK // width)


def _regrouped(strips: Iterable[Array], shape: Shape) -> Iterator[Array]:
    """The same rows in blocks of ``_rows``; the last may be smaller."""
    height, width, channels = shape
    parts: list[Array] = []
    missing, left = _rows(width), height
    for strip in strips:
        if strip.shape[1:] != (width, channels) or len(strip) > left:
            raise ValueError(f"a strip of {strip.shape} where {left} rows of {shape[1:]} are missing")
        left -= len(strip)
        start = 0
        while start < len(strip):
            parts.append(strip[start : start + missing])
            start += len(parts[-1])
            missing -= len(parts[-1])
            if not missing:
                yield _joined(parts)
                missing = _rows(width)
        if parts and len(parts[-1]) < len(strip):
            parts[-1] = parts[-1].copy()  # a view would hold the whole strip
        del strip  # or it would be held while the next is made
    if left:
        raise ValueError(f"the strips end {left} rows before the picture")
    if parts:
        yield _joined(parts)


def _joined(parts: list[Array]) -> Array:
    """The parts as one; the list is emptied, so that nothing else holds them."""
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    return whole


def _to_path(
    path: Path, blocks: Iterator[Array], shape: Shape, encoding: Encoding, shaper: Shaper | None
) -> None:
    if encoding.format != "exr":
        with path.open("w+b") as file:
            _to_file(file, blocks, shape, encoding, shaper)
        return
    light = map(partial(encoding.light, shaper=shaper), blocks)
    exr.write(path, light, shape, encoding)


def _to_file(
    file: BinaryIO, blocks: Iterator[Array], shape: Shape, encoding: Encoding, shaper: Shaper | None
) -> None:
    if encoding.format == "exr":
        # OpenImageIO writes to paths only.
        with TemporaryDirectory(prefix="farm-") as folder:
            path = Path(folder, "picture.exr")
            _to_path(path, blocks, shape, encoding, shaper)
            with path.open("rb") as written:
                shutil.copyfileobj(written, file)
        return
    _whole(file, map(partial(encoding.whole, shaper=shaper), blocks), shape, encoding)


def _whole(file: BinaryIO, samples: Iterator[Samples], shape: Shape, encoding: Encoding) -> None:
    """The formats that hold whole numbers."""
    icc = srgb_profile()
    if encoding.format == "png":
        png_write.write(file, samples, shape, encoding, icc=icc)
    elif encoding.format == "tiff":
        tiff.write(file, samples, shape, encoding, rows=_rows(shape[1]), icc=icc)
        next(samples, None)  # tifffile stops at the last row; what comes after it is an error
    else:
        file.write(jpeg.encoded(np.concatenate(list(samples)), encoding, icc=icc))
