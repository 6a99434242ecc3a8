"""Reading pictures: what they are before memory is spent, then their pixels as sRGB.

The content decides the format, never the name. A file is refused when it is cut short, larger than
the limits, animated or of several pages; nothing is guessed and no grey filling is returned.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from tifffile import TiffFileError

from farm.errors import InvalidInput
from farm.imaging import exr, jpeg, png, png_write, scene, tiff, webp
from farm.imaging.header import FormatName, Header, MalformedError, Raw, UnsupportedError
from farm.imaging.limits import Limits
from farm.imaging.picture import Array, Bits, Picture
from farm.imaging.profile import to_srgb_pixels

_LIMITS = Limits()
_BROKEN = (
    OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, ArithmeticError,
    RuntimeError, EOFError, AssertionError, struct.error, zlib.error, TiffFileError,
)  # fmt: skip
"""What the codecs raise on files made to break them."""


@dataclass(frozen=True)
class Info:
    """What a picture is, known from its header. Width and height are those of the upright picture."""

    format: FormatName
    width: int
    height: int
    bits: Bits
    has_alpha: bool


def inspect(data: bytes | Path, limits: Limits = _LIMITS, *, field: str = "content") -> Info:
    """Read the header only.

    Raises:
        InvalidInput: not a picture that can be taken; the sentence names ``field``.
        TooLarge: over the limits.
    """
    with _opened(data, limits, field) as stream:
        header = _header(stream, limits, field)
    width, height = header.upright
    return Info(header.format, width, height, header.bits, header.has_alpha)


def decode(
    data: bytes | Path,
    limits: Limits = _LIMITS,
    *,
    field: str = "content",
    alpha: Literal["keep", "compose"] = "compose",
    background: str = "#ffffff",
) -> Picture:
    """The whole picture, upright, in sRGB; scene-linear light (EXR) as its ``shaper`` says.

    Args:
        data: the file's bytes, or its path.
        limits: checked against the header, before pixels are decoded.
        field: what to call the picture in errors.
        alpha: keep transparency, or compose the picture over ``background``.
        background: ``#rrggbb``.

    Raises:
        InvalidInput: not a picture that can be taken, or a damaged one.
        TooLarge: over the limits.
    """
    with _opened(data, limits, field) as stream:
        header = _header(stream, limits, field)
        stream.seek(0)
        with _explained(header.format, field):
            if header.format == "exr":
                return scene.picture(exr.light(stream), alpha=alpha, background=_colour(background))
            raw = _samples(header.format, stream)
            if raw.samples.shape[:2] != (header.height, header.width):
                raise MalformedError("its pixels do not have the size in its header")
            colour = to_srgb_pixels(raw, header.icc, header.bits)
    pixels, cover = colour.pixels, _cover(raw)
    if cover is not None:
        if raw.premultiplied:
            pixels = np.clip(pixels / np.maximum(cover, 1 / raw.maximum)[..., None], 0, 1)
        if alpha == "compose":
            pixels, cover = _over(pixels, cover, background), None
    upright = _upright(pixels, header.orientation)
    mask = None if cover is None else _upright(cover, header.orientation)
    return Picture(upright, mask, colour.bits, colour.profile)


@contextmanager
def _opened(data: bytes | Path, limits: Limits, field: str) -> Iterator[BinaryIO]:
    if isinstance(data, bytes):
        limits.check_bytes(len(data), field)
        yield io.BytesIO(data)
        return
    if not data.is_file():
        found = "is not a file" if data.exists() else "does not exist"
        raise InvalidInput(f"{field}: {str(data)!r} {found}; give the path of a picture.", field=field)
    try:
        stream = data.open("rb")
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise InvalidInput(
            f"{field}: {str(data)!r} cannot be read ({reason}); check its permissions.", field=field
        ) from None
    with stream:
        limits.check_bytes(data.stat().st_size, field)
        yield stream


def _header(stream: BinaryIO, limits: Limits, field: str) -> Header:
    name = _format(stream.read(12))
    if name is None:
        raise InvalidInput(
            f"{field}: this file is not a picture that can be read; give a JPEG, PNG, TIFF, WebP"
            " or EXR.",
            field=field,
        )
    stream.seek(0)
    readers = {
        "jpeg": jpeg.header,
        "png": png.header,
        "tiff": tiff.header,
        "webp": webp.header,
        "exr": exr.header,
    }
    with _explained(name, field):
        header = readers[name](stream)
        limits.check_size(*header.upright, field)
        if header.frames > 1:
            raise UnsupportedError("is animated or has several pages; save the one you want by itself")
    return header


def _format(magic: bytes) -> FormatName | None:
    if magic.startswith(jpeg.MAGIC):
        return "jpeg"
    if magic.startswith(png_write.MAGIC):
        return "png"
    if magic.startswith(tiff.MAGICS):
        return "tiff"
    if magic.startswith(exr.MAGIC):
        return "exr"
    return "webp" if webp.matches(magic) else None


def _samples(name: FormatName, stream: BinaryIO) -> Raw:
    if name == "tiff":
        return tiff.samples(stream)
    return {"jpeg": jpeg.samples, "png": png.samples, "webp": webp.samples}[name](stream.read())


@contextmanager
def _explained(name: str, field: str) -> Iterator[None]:
    """Turn a codec's complaint into a sentence."""
    shown = "WebP" if name == "webp" else name.upper()
    try:
        yield
    except InvalidInput:
        raise
    except UnsupportedError as error:
        raise InvalidInput(f"{field}: this {shown} {error}.", field=field) from None
    except _BROKEN as error:
        why = f" ({error})" if isinstance(error, MalformedError) else ""
        raise InvalidInput(
            f"{field}: this {shown} is damaged or cut short{why}; export or upload it again.",
            field=field,
        ) from None


def _cover(raw: Raw) -> Array | None:
    if raw.alpha is None:
        return None
    return (raw.alpha / np.float32(raw.maximum)).astype(np.float32)


def _over(pixels: Array, cover: Array, background: str) -> Array:
    """Compose on encoded values, as browsers and editors do and people expect to see."""
    share = cover[..., None]
    return pixels * share + _colour(background) * (1 - share)


def _colour(written: str) -> Array:
    """The sRGB values of ``#rrggbb``."""
    return np.array([int(written[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def _upright(array: Array, orientation: int) -> Array:
    """Undo an EXIF orientation: 2-4 flip, 5-8 swap the axes first."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)
