"""OpenEXR: its header, its light, and writing one scanline by scanline, with OpenImageIO."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np

from farm.imaging import exr_header
from farm.imaging.encoding import Encoding
from farm.imaging.exr_header import MAGIC, Layout
from farm.imaging.header import Floats, Header, MalformedError, UnsupportedError
from farm.imaging.picture import Array
from farm.imaging.primaries import REC709

__all__ = ["MAGIC", "Light", "header", "light", "write"]


@dataclass(frozen=True)
class Light:
    """Scene-linear samples as stored: ``colour`` (height, width, 3) with ``cover`` multiplied in.

    ``cover`` is alpha, (height, width), ``None`` where there is none. Both are finite.
    """

    colour: Array
    cover: Array | None
    layout: Layout


def header(stream: BinaryIO) -> Header:
    """Read the attributes. The picture is the display window, whatever part of it is stored."""
    found = exr_header.layout(stream)
    return Header(
        "exr", found.shown.width, found.shown.height, found.bits, has_alpha=found.alpha is not None
    )


def light(stream: BinaryIO) -> Light:
    """Decode the picture's channels and no others; what the data window leaves out is black, or clear.

    Raises:
        UnsupportedError: it holds infinities or values that are not numbers.
        OSError: it is damaged.
    """
    found = exr_header.layout(stream)
    samples = _on_display(_read(stream, found), found)
    if not np.isfinite(samples).all():
        raise UnsupportedError("holds pixels that are infinite or not numbers; repair them first")
    colours = samples[..., : len(found.colour)]
    colour = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else np.ascontiguousarray(colours)
    return Light(colour, None if found.alpha is None else samples[..., -1].copy(), found)


def _read(stream: BinaryIO, found: Layout) -> Array:
    """The channels of the data window, alpha last, as float32."""
    # Imported here: whoever handles no EXR need not load 17 MB of library.
    import OpenImageIO as oiio  # noqa: N813 - its documentation's name for it

    wanted = [*found.colour, *([found.alpha] if found.alpha else [])]
    with _on_disk(stream) as path:
        source = oiio.ImageInput.open(path)
        if source is None:
            raise OSError(oiio.geterror())
        try:
            names = list(source.spec().channelnames)
            places = [names.index(name) for name in wanted]
            start = min(places)
            pixels = source.read_image(0, 0, start, max(places) + 1, "float")
            if pixels is None:
                raise OSError(source.geterror())
        finally:
            source.close()
    if pixels.shape[:2] != (found.stored.height, found.stored.width):
        raise MalformedError("its pixels do not have the size in its header")
    order = [place - start for place in places]
    chosen: Array = pixels if order == [*range(pixels.shape[2])] else pixels[..., order]
    return chosen


@contextmanager
def _on_disk(stream: BinaryIO) -> Iterator[str]:
    """A path with the stream's bytes: OpenImageIO takes no streams from Python."""
    name = getattr(stream, "name", None)
    if isinstance(name, str):
        yield name
        return
    with TemporaryDirectory(prefix="farm-") as folder:
        path = Path(folder, "picture.exr")
        stream.seek(0)
        with path.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        yield str(path)


def _on_display(samples: Array, found: Layout) -> Array:
    stored, shown = found.stored, found.shown
    if stored == shown:
        return samples
    out = np.zeros((shown.height, shown.width, samples.shape[2]), np.float32)
    left, right = max(stored.left, shown.left), min(stored.right, shown.right) + 1
    top, bottom = max(stored.top, shown.top), min(stored.bottom, shown.bottom) + 1
    if left < right and top < bottom:
        out[top - shown.top : bottom - shown.top, left - shown.left : right - shown.left] = samples[
            top - stored.top : bottom - stored.top, left - stored.left : right - stored.left
        ]
    return out


def write(
    path: Path, blocks: Iterator[Floats], shape: tuple[int, int, int], encoding: Encoding
) -> None:
    """Write zip-compressed scanlines in Rec. 709 primaries.

    Args:
        blocks: light with alpha multiplied in, from the top, (rows, width, 3 or 4).
        shape: (height, width, channels) of the whole.

    Raises:
        OSError: it cannot be written.
    """
    import OpenImageIO as oiio  # noqa: N813 - its documentation's name for it

    path.touch()  # the system's own words if it cannot be written
    height, width, channels = shape
    spec = oiio.ImageSpec(width, height, channels, oiio.HALF if encoding.bits == 16 else oiio.FLOAT)
    spec.channelnames = tuple("RGBA"[:channels])
    spec.attribute("compression", "zip")
    spec.attribute("chromaticities", "float[8]", REC709)
    spec.attribute("xDensity", float(encoding.dpi))
    spec.attribute("Software", "style-farm")
    # Without a date of its own, today's would be written and no two files were the same.
    spec.attribute("DateTime", "")
    for key, value in encoding.metadata.items():
        spec.attribute(f"farm/{key}", value)
    sink = oiio.ImageOutput.create("exr")
    assert sink is not None, "OpenImageIO is built with OpenEXR"
    top, sound = 0, sink.open(str(path), spec)
    try:
        for block in blocks if sound else ():
            sound = sink.write_scanlines(top, top + len(block), 0, block)
            if not sound:
                break
            top += len(block)
    finally:
        sound = sink.close() and sound
    if not sound:
        sink.geterror()  # it names the temporary path, and left unread it is printed at exit
        raise OSError("the disk may be full")
