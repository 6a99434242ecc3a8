"""What an OpenEXR file says of itself, read before its decoder is let near it.

The layout is that of the OpenEXR file format description: magic, version and flags, then attributes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal

from farm.imaging.header import MalformedError, UnsupportedError, exactly, segment

MAGIC = b"v/1\x01"
_VERSION = 2
_DEEP, _PARTS = 0x800, 0x1000
_UINT, _FLOAT = 0, 2
_COMPRESSIONS = 9
"""Codecs up to dwab; later ones are rarer than their gain."""
_KEPT = {"channels", "dataWindow", "displayWindow", "chromaticities", "tiles", "compression"}
_MAX_ATTRIBUTES = 2_000
_MAX_CHANNELS = 512
_MAX_NAME = 255
_MAX_CHUNK = 2_000_000_000
_CHUNK_ROWS = 256
_SLACK = 4_000_000
_LISTED = 12


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, both corners included."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left + 1

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top + 1

    @property
    def area(self) -> int:
        """Pixels."""
        return max(self.width, 0) * max(self.height, 0)


@dataclass(frozen=True)
class Layout:
    """Where the picture is in the file.

    Args:
        stored: the pixels in the file; ``shown``: the picture, of which they may be a part or more.
        colour: names of the red, green and blue channels, or of the one grey channel.
        alpha: name of the alpha channel.
        chromaticities: x and y of red, green, blue and white, where the file gives them.
    """

    stored: Window
    shown: Window
    colour: tuple[str, ...]
    alpha: str | None
    bits: Literal[16, 32]
    chromaticities: tuple[float, ...] | None


def layout(stream: BinaryIO) -> Layout:
    """Read the header.

    Raises:
        MalformedError: it breaks the format's rules.
        UnsupportedError: a sound file of a kind that is not taken.
    """
    exactly(stream, len(MAGIC))
    (version,) = struct.unpack("<I", exactly(stream, 4))
    if version & 0xFF != _VERSION:
        raise UnsupportedError(f"is of version {version & 0xFF}; save it as version {_VERSION}")
    if version & _DEEP:
        raise UnsupportedError("holds deep data; flatten it")
    if version & _PARTS:
        raise UnsupportedError("holds several parts; save the one you want by itself")
    attributes = _attributes(stream)
    try:
        stored, shown = (
            Window(*struct.unpack("<4i", attributes[name])) for name in ("dataWindow", "displayWindow")
        )
        channels = _channels(attributes["channels"])
        compression = attributes["compression"][0]
    except (struct.error, KeyError, IndexError):
        raise MalformedError("its header lacks its windows or channels") from None
    if compression > _COMPRESSIONS:
        raise UnsupportedError(f"is compressed by method {compression}; save it with zip")
    _check_windows(stored, shown, attributes.get("tiles", b""), len(channels))
    colour = _colour(channels)
    alpha = f"{colour[0][:-1]}A"
    used = (*colour, alpha) if alpha in channels else colour
    return Layout(
        stored, shown, colour, alpha if alpha in channels else None,
        bits=32 if any(channels[name] == _FLOAT for name in used) else 16,
        chromaticities=_floats(attributes.get("chromaticities", b"")),
    )  # fmt: skip


def _attributes(stream: BinaryIO) -> dict[str, bytes]:
    """Those that matter; the others are stepped over."""
    kept: dict[str, bytes] = {}
    for _ in range(_MAX_ATTRIBUTES):
        name = _name(stream)
        if not name:
            return kept
        _name(stream)  # its type
        (size,) = struct.unpack("<i", exactly(stream, 4))
        if size < 0:
            raise MalformedError("an attribute has a negative length")
        if name in _KEPT:
            kept[name] = segment(stream, size)
        else:
            stream.seek(size, 1)
    raise MalformedError(f"its header has over {_MAX_ATTRIBUTES} attributes")


def _name(stream: BinaryIO) -> str:
    """A name that ends in NUL."""
    start = stream.tell()
    name, end, _ = stream.read(_MAX_NAME + 1).partition(b"\0")
    if not end:
        raise MalformedError("a name in its header does not end")
    stream.seek(start + len(name) + 1)
    return name.decode()


def _channels(data: bytes) -> dict[str, int]:
    """The type of each channel by its name, in the file's order."""
    found: dict[str, int] = {}
    place = 0
    while data[place] and len(found) <= _MAX_CHANNELS:
        end = data.index(b"\0", place)
        kind, across, down = struct.unpack_from("<i4x2i", data, end + 1)
        if (across, down) != (1, 1):
            raise UnsupportedError(
                "stores some channels, such as chroma, at a lower resolution; export it as RGB"
            )
        found[data[place:end].decode()] = kind
        place = end + 17
    if len(found) > _MAX_CHANNELS:
        raise UnsupportedError(f"has over {_MAX_CHANNELS} channels; save its picture by itself")
    return found


def _colour(channels: Mapping[str, int]) -> tuple[str, ...]:
    """The plain R, G and B, else the plain grey, else the first layer that has R, G and B."""
    layers = [name[:-1] for name in channels if name == "R" or name.endswith(".R")]
    full = [layer for layer in layers if all(layer + part in channels for part in "RGB")]
    if "" in full:
        full = [""]
    elif "Y" in channels:
        return _measured(("Y",), channels)
    if full:
        return _measured((f"{full[0]}R", f"{full[0]}G", f"{full[0]}B"), channels)
    listed = ", ".join(list(channels)[:_LISTED]) + (" …" if len(channels) > _LISTED else "")
    raise UnsupportedError(
        f"has no layer with the channels R, G and B, only {listed or 'none'}; export it with them"
    )


def _measured(names: tuple[str, ...], channels: Mapping[str, int]) -> tuple[str, ...]:
    if any(channels[name] == _UINT for name in names):
        raise UnsupportedError(f"holds whole numbers in {', '.join(names)}; export it as half or float")
    return names


def _check_windows(stored: Window, shown: Window, tiles: bytes, channels: int) -> None:
    """Refuse what would be read without bound."""
    if not stored.area and shown.area:
        raise MalformedError("its data window is empty")
    apart = stored.left > shown.right or stored.right < shown.left
    if shown.area and (apart or stored.top > shown.bottom or stored.bottom < shown.top):
        raise UnsupportedError("stores no pixel of its display window; save it with its picture")
    if stored.area > 4 * shown.area + _SLACK:
        raise UnsupportedError(
            f"stores {stored.width}×{stored.height} pixels for a picture of"
            f" {shown.width}×{shown.height}; crop it to its display window"
        )
    chunk = stored.width * min(stored.height, _CHUNK_ROWS)
    if tiles:
        across, down = struct.unpack_from("<2I", tiles)
        chunk = across * down
        if chunk > 2 * stored.area + _SLACK:
            raise MalformedError("its tiles are far larger than the picture")
    if chunk * channels * 4 > _MAX_CHUNK:
        raise UnsupportedError(f"has {channels} channels; save its picture by itself")


def _floats(data: bytes) -> tuple[float, ...] | None:
    return struct.unpack("<8f", data) if data else None
