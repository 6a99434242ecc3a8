"""EXR in and out: light, highlights and alpha come back; windows, layers and primaries are heeded."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from farm.imaging import Picture, decode, inspect
from farm.imaging.colour import to_linear, to_srgb
from farm.imaging.exr import light
from farm.imaging.shaper import Shaper

Made = Callable[..., bytes]
ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
ACES_TO_REC709 = (
    (2.52169, -1.13413, -0.38756), (-0.27648, 1.37272, -0.09624), (-0.01538, -0.15298, 1.16835)
)  # fmt: skip
"""The customary matrix, with Bradford's adaptation from ACES white to D65."""


def stored(data: bytes) -> np.ndarray:
    """The samples of a file that the farm wrote, as they are."""
    found = light(io.BytesIO(data))
    cover = [] if found.cover is None else [found.cover[..., None]]
    return np.concatenate([found.colour, *cover], axis=2)


def opened(data: bytes) -> oiio.ImageSpec:
    """The header as OpenImageIO reads it."""
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(data)
        file.flush()
        source = oiio.ImageInput.open(file.name)
        assert source is not None
        return source.spec().copy()


def planes(array: np.ndarray, names: str = "RGBA") -> dict[str, np.ndarray]:
    return {name: array[..., place] for place, name in enumerate(names[: array.shape[2]])}


@pytest.fixture
def bright() -> np.ndarray:
    """Half-precision light (24, 32, 3) from black to the largest half, with every decade between."""
    rng = np.random.default_rng(5)
    light = 10 ** rng.uniform(-6, np.log10(65504), (24, 32, 3))
    light[0, 0], light[0, 1], light[0, 2] = 0, 1, 65504
    return light.astype(np.float16)


def test_half_light_comes_back_bit_for_bit(bright: np.ndarray, exr: Made, encoded: Made) -> None:
    picture = decode(exr(planes(bright)))
    assert picture.shaper == Shaper(65504)
    assert picture.bits == 16
    assert picture.pixels.max() <= 1
    back = stored(encoded(picture, format="exr", bits=16))
    assert np.array_equal(back, bright.astype(np.float32))


def test_float_light_comes_back(bright: np.ndarray, exr: Made, encoded: Made) -> None:
    over = bright.astype(np.float32) * 1000.1
    picture = decode(exr(planes(over)))
    assert picture.bits == 32
    back = stored(encoded(picture, format="exr", bits=32))
    assert np.abs(back - over).max() > 0
    assert np.allclose(back, over, rtol=2e-5, atol=0)
    halves = stored(encoded(picture, format="exr", bits=16))
    assert halves.max() == 65504


def test_a_picture_without_highlights_is_plain_srgb(exr: Made) -> None:
    ramp = np.linspace(0, 1, 96, dtype=np.float32).reshape(4, 8, 3)
    picture = decode(exr(planes(ramp)))
    assert np.array_equal(picture.pixels, to_srgb(ramp))
    assert picture.shaper == Shaper(1.0)


def test_srgb_becomes_light_and_light_is_clipped_at_white(
    smooth: np.ndarray, exr: Made, encoded: Made
) -> None:
    back = stored(encoded(Picture(smooth), format="exr", bits=32))
    assert np.array_equal(back, to_linear(smooth))
    lamp = np.full((4, 4, 3), 0.25, np.float32)
    lamp[1:3] = 40
    shown = decode(encoded(decode(exr(planes(lamp))), format="png", bits=16))
    assert shown.shaper is None
    assert np.allclose(shown.pixels, to_srgb(np.minimum(lamp, 1)), atol=1 / 65535)


def test_alpha_is_multiplied_in_and_out(exr: Made, encoded: Made) -> None:
    cover = np.linspace(0, 1, 32, dtype=np.float32).reshape(4, 8, 1)
    straight = np.full((4, 8, 3), 3.0, np.float32)
    data = exr(planes(np.concatenate([straight * cover, cover], axis=2)))
    picture = decode(data, alpha="keep")
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, cover[..., 0])
    assert picture.shaper is not None
    assert np.allclose(picture.shaper.light(picture.pixels)[cover[..., 0] > 0], 3, rtol=1e-5)
    again = stored(encoded(picture, format="exr", bits=32))
    assert np.allclose(again, np.concatenate([straight * cover, cover], axis=2), rtol=1e-5, atol=1e-7)
    png = decode(encoded(picture, format="png", bits=16), alpha="keep")
    assert png.alpha is not None
    assert np.allclose(png.alpha, cover[..., 0], atol=1e-5)


def test_composing_is_done_on_light(exr: Made) -> None:
    half = np.full((2, 2, 4), 0.5, np.float32)
    grey = decode(exr(planes(half)), background="#ffffff")
    assert grey.alpha is None
    assert np.allclose(to_linear(grey.pixels), 0.5 + 0.5 * 1.0, atol=1e-6)
    black = decode(exr(planes(half)), background="#000000")
    assert np.allclose(to_linear(black.pixels), 0.5, atol=1e-6)


def test_negative_light_is_clipped(exr: Made) -> None:
    pixels = np.full((2, 2, 3), 0.25, np.float32)
    pixels[0, 0] = -4
    assert decode(exr(planes(pixels))).pixels[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz", "pxr24"])
@pytest.mark.parametrize("tile", [0, 16])
def test_lossless_compressions_and_tiles(
    bright: np.ndarray, exr: Made, compression: str, tile: int
) -> None:
    data = exr(planes(bright), compression=compression, tile=tile)
    assert np.array_equal(stored(data), bright.astype(np.float32))


@pytest.mark.parametrize("compression", ["b44", "b44a", "dwaa:45", "dwab:45"])
def test_lossy_compressions(exr: Made, compression: str) -> None:
    down, across = np.mgrid[0:32, 0:32].astype(np.float16) / 32
    pixels = np.stack([down, across, down * across], axis=-1)
    assert np.abs(stored(exr(planes(pixels), compression=compression)) - pixels).max() < 0.02


def test_inspecting_reads_the_header(bright: np.ndarray, exr: Made) -> None:
    info = inspect(exr(planes(bright)))
    assert (info.format, info.width, info.height, info.bits, info.has_alpha) == (
        "exr", 32, 24, 16, False,
    )  # fmt: skip
    clear = np.ones((4, 6, 4), np.float32)
    assert inspect(exr(planes(clear))).has_alpha
    assert inspect(exr(planes(clear))).bits == 32


def test_a_path_is_read_where_it_lies(
    bright: np.ndarray, exr: Made, put: Callable[[str, bytes], Path]
) -> None:
    data = exr(planes(bright))
    path = put("shot.dat", data)
    assert np.array_equal(decode(path).pixels, decode(data).pixels)


def test_the_picture_is_the_display_window(exr: Made) -> None:
    pixels = np.ones((4, 6, 3), np.float16)
    part = stored(exr(planes(pixels), origin=(1, 2), shown=(0, 0, 8, 8)))
    assert part.shape == (8, 8, 3)
    assert part[2:6, 1:7].min() == 1
    assert part.sum() == 4 * 6 * 3
    over = stored(exr(planes(pixels), origin=(-2, -1), shown=(0, 0, 3, 2)))
    assert over.shape == (2, 3, 3)
    assert over.min() == 1


def test_grey_is_grey(exr: Made) -> None:
    ramp = np.linspace(0, 2, 12, dtype=np.float32).reshape(3, 4)
    found = stored(exr({"Y": ramp}))
    assert np.array_equal(found, np.repeat(ramp[..., None], 3, axis=2))


def flat(*values: float) -> list[np.ndarray]:
    return [np.full((2, 2), value, np.float16) for value in values]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Z R G B A diffuse.R diffuse.G diffuse.B", (2, 3, 4, 5)),
        ("N.X N.Y N.Z beauty.R beauty.G beauty.B beauty.A spec.R spec.G spec.B", (4, 5, 6, 7)),
        ("a.R a.G b.R b.G b.B", (3, 4, 5)),
        ("Y id.R id.G id.B", (1, 1, 1)),
        ("R G left.R left.G left.B A", (3, 4, 5)),
    ],
)
def test_the_layer_that_is_taken(exr: Made, names: str, expected: tuple[int, ...]) -> None:
    channels = names.split()
    data = exr(dict(zip(channels, flat(*range(1, len(channels) + 1)), strict=True)))
    alone = stored(data)
    kept = alone[0, 0].tolist()
    assert kept == list(expected)


def test_depth_may_be_of_another_type_than_colour(exr: Made) -> None:
    """Only the channels that make the picture say how many bits it has."""
    kinds = (oiio.HALF, oiio.HALF, oiio.HALF, oiio.FLOAT)
    data = exr(dict(zip("RGBZ", flat(1, 2, 3, 4), strict=True)), kinds=kinds)
    assert inspect(data).bits == 16
    assert stored(data)[0, 0].tolist() == [1, 2, 3]


def test_other_primaries_become_rec_709_white_to_white(exr: Made, encoded: Made) -> None:
    pixels = np.zeros((1, 4, 3), np.float32)
    pixels[0] = np.array([(1, 1, 1), (0.18, 0.18, 0.18), (0, 0.5, 0), (0.5, 0.3, 0.2)])
    data = exr(planes(pixels), chromaticities=("float[8]", ACES))
    picture = decode(data)
    assert picture.source_profile == "scene-linear, other primaries"
    back = stored(encoded(picture, format="exr", bits=32))[0]
    assert np.allclose(back[:2], pixels[0, :2], atol=1e-6)
    assert np.allclose(back[3], pixels[0, 3] @ np.array(ACES_TO_REC709).T, atol=1e-4)
    assert back[2, 0] == 0
    assert decode(exr(planes(pixels))).source_profile == "scene-linear"


def test_what_is_written_says_what_it_is(smooth: np.ndarray, encoded: Made) -> None:
    note = {"seed": "7", "compression": "none", "artist": "Łucja"}
    picture = Picture(smooth, smooth[..., 0])
    spec = opened(encoded(picture, format="exr", bits=16, dpi=240, metadata=note))
    assert spec.channelnames == ("R", "G", "B", "A")
    assert str(spec.format) == "half"
    assert spec.getattribute("compression") == "zip"
    assert spec.getattribute("Software") == "style-farm"
    assert spec.getattribute("DateTime") is None
    assert (spec.getattribute("XResolution"), spec.getattribute("ResolutionUnit")) == (240, "in")
    assert np.allclose(
        spec.getattribute("chromaticities"), (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
    )
    assert {name: spec.getattribute(f"farm/{name}") for name in note} == note
    assert b"xDensity\0float\0" + struct.pack("<if", 4, 240) in encoded(
        picture, format="exr", bits=16, dpi=240
    )
