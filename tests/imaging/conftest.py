"""Tiny pictures and profiles made on the spot."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image

from farm.imaging import Picture, encode


@pytest.fixture
def gradient() -> np.ndarray:
    """uint8 (24, 32, 3) with every corner different and no two pixels alike along a row."""
    down, across = np.mgrid[0:24, 0:32]
    return np.stack([across * 8, down * 10, (across + down) * 4], axis=-1).astype(np.uint8)


@pytest.fixture
def smooth(gradient: np.ndarray) -> np.ndarray:
    """The gradient as float32, 0 to 1, off the 8-bit grid."""
    return np.asarray(gradient / 255 * 0.97 + 0.0123, dtype=np.float32)


@pytest.fixture
def saved() -> Callable[..., bytes]:
    """The bytes Pillow writes for an array or image."""

    def save(image: np.ndarray | Image.Image, name: str, **options: Any) -> bytes:
        out = io.BytesIO()
        shown = image if isinstance(image, Image.Image) else Image.fromarray(image)
        shown.save(out, name, **options)
        return out.getvalue()

    return save


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """The bytes the farm writes for a picture."""

    def run(picture: Picture, **options: Any) -> bytes:
        out = io.BytesIO()
        encode(picture, out, **options)
        return out.getvalue()

    return run


@pytest.fixture
def exr(tmp_path: Path) -> Callable[..., bytes]:
    """The bytes OpenImageIO writes for channels by name: windows, tiles and attributes as asked."""

    def write(
        channels: dict[str, np.ndarray], *, tile: int = 0, origin: tuple[int, int] = (0, 0),
        shown: tuple[int, int, int, int] | None = None, parts: int = 1, kinds: tuple[Any, ...] = (),
        **attributes: Any,
    ) -> bytes:  # fmt: skip
        pixels = np.stack(list(channels.values()), axis=-1)
        height, width, count = pixels.shape
        kind = oiio.HALF if pixels.dtype == np.float16 else oiio.FLOAT
        spec = oiio.ImageSpec(width, height, count, oiio.UINT if pixels.dtype == np.uint32 else kind)
        spec.channelnames = tuple(channels)
        spec.channelformats = kinds
        spec.x, spec.y = origin
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = shown or (0, 0, width, height)
        spec.tile_width = spec.tile_height = tile
        for name, value in attributes.items():
            spec.attribute(name, *value) if isinstance(value, tuple) else spec.attribute(name, value)
        path = str(tmp_path / "made.exr")
        sink = oiio.ImageOutput.create("exr")
        assert sink is not None
        assert sink.open(path, (spec,) * parts), sink.geterror()
        for part in range(parts):
            assert part == 0 or sink.open(path, spec, "AppendSubimage"), sink.geterror()
            assert sink.write_image(pixels), sink.geterror()
        assert sink.close()
        return Path(path).read_bytes()

    return write


def _fixed(value: float) -> int:
    return round(value * 65536)


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *map(_fixed, values))


ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
GAMMA = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)
PARAMETRIC = b"para\0\0\0\0" + struct.pack(">HH4i", 2, 0, *map(_fixed, (2.2, 0.95, 0.05, 0.0)))
TABLE = b"curv\0\0\0\0" + struct.pack(">I5H", 5, 0, 3000, 14000, 34000, 65535)


def make_profile(space: bytes, curve: bytes, name: bytes = b"Test RGB") -> bytes:
    """A version 2 profile with one curve and, for RGB, the AdobeRGB primaries."""
    if space == b"GRAY":
        return _profile(space, b"XYZ ", {b"kTRC": curve}, name)
    tags = {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    tags.update(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (_xyz(*column) for column in ADOBE), strict=True))
    return _profile(space, b"XYZ ", tags, name)


def _profile(space: bytes, pcs: bytes, tags: dict[bytes, bytes], name: bytes = b"Test table") -> bytes:
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" * 79,
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        b"cprt": b"text\0\0\0\0none\0",
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", tag, start + len(body), len(data))
        body += data
    version, kind = b"\x02\x40\0\0", b"prtr" if pcs == b"Lab " else b"mntr"
    head = struct.pack(">I4x", start + len(body)) + version + kind + space + pcs
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += struct.pack(">3i", *map(_fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + body


def make_table_profile(space: bytes) -> bytes:
    """A profile of an 8-bit table only (lut8): lightness falls with the inputs' mean."""
    inputs = {b"RGB ": 3, b"CMYK": 4}[space]
    grid = np.stack(np.meshgrid(*[[0, 1]] * inputs, indexing="ij"), axis=-1).reshape(-1, inputs)
    lightness = np.rint(255 * (1 - grid.mean(axis=1))).astype(np.uint8)
    table = np.stack([lightness, np.full_like(lightness, 128), np.full_like(lightness, 128)], axis=1)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *map(_fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = (
        b"mft1\0\0\0\0"
        + bytes([inputs, 3, 2, 0])
        + identity
        + ramp * inputs
        + table.tobytes()
        + ramp * 3
    )
    return _profile(space, b"Lab ", {b"A2B0": lut, b"B2A0": lut})


@pytest.fixture
def table_profile() -> Callable[[bytes], bytes]:
    return make_table_profile


@pytest.fixture
def profile() -> Callable[..., bytes]:
    return make_profile


@pytest.fixture(params=["gamma", "parametric", "table"])
def curve(request: pytest.FixtureRequest) -> bytes:
    return {"gamma": GAMMA, "parametric": PARAMETRIC, "table": TABLE}[request.param]


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
