"""Every format, depth and colour type comes out as the same upright sRGB picture."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from farm.imaging import decode, inspect


@pytest.mark.parametrize(
    ("name", "options"),
    [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})],
)
def test_lossless_files_keep_every_value(
    gradient: np.ndarray, saved: Callable[..., bytes], name: str, options: dict[str, Any]
) -> None:
    data = saved(gradient, name, **options)
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, gradient.astype(np.float32) / np.float32(255))
    assert (picture.width, picture.height, picture.bits, picture.alpha) == (32, 24, 8, None)
    assert (inspect(data).format, inspect(data).bits) == (name.lower(), 8)


@pytest.mark.parametrize(("name", "mean"), [("JPEG", 0.01), ("WEBP", 0.02)])
def test_lossy_files_are_close(
    gradient: np.ndarray, saved: Callable[..., bytes], name: str, mean: float
) -> None:
    picture = decode(saved(gradient, name, quality=95))
    assert np.abs(picture.pixels - gradient / 255).mean() < mean


def test_the_content_decides_the_format_not_the_name(
    gradient: np.ndarray, saved: Callable[..., bytes], put: Callable[[str, bytes], Path]
) -> None:
    assert inspect(put("picture.jpg", saved(gradient, "PNG"))).format == "png"


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)], ids=str)
@pytest.mark.parametrize("name", ["png", "tiff"])
def test_sixteen_bits_survive(shape: tuple[int, ...], name: str) -> None:
    array = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    alpha = shape[-1] in (2, 4)
    if name == "png":
        data = bytes(imagecodecs.png_encode(array))
    else:
        out = io.BytesIO()
        kind = "rgb" if shape[-1] >= 3 and len(shape) == 3 else "minisblack"
        tifffile.imwrite(
            out, array, photometric=kind, extrasamples=["unassalpha"] if alpha else None, planarconfig=1
        )
        data = out.getvalue()
    picture = decode(data, alpha="keep")
    whole = array[..., None] if array.ndim == 2 else array
    colours = whole[..., :-1] if alpha else whole
    expected = np.broadcast_to(colours, (5, 7, 3)) / 65535
    np.testing.assert_allclose(picture.pixels, expected, atol=1e-7)
    assert picture.bits == 16
    assert inspect(data).has_alpha == alpha
    if alpha:
        assert picture.alpha is not None
        np.testing.assert_allclose(picture.alpha, whole[..., -1] / 65535, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "adobe_deflate", "predictor": True},
        {"tile": (16, 16), "compression": "lzw"},
        {"byteorder": ">"},
        {"bigtiff": True},
    ],
    ids=str,
)
def test_tiff_layouts(options: dict[str, Any]) -> None:
    array = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    out = io.BytesIO()
    tifffile.imwrite(out, array, photometric="rgb", **options)
    np.testing.assert_allclose(decode(out.getvalue()).pixels, array / 65535, atol=1e-7)


def test_planar_tiff() -> None:
    array = np.random.default_rng(1).integers(0, 65536, (3, 20, 30), dtype=np.uint16)
    out = io.BytesIO()
    tifffile.imwrite(out, array, photometric="rgb", planarconfig="separate")
    np.testing.assert_allclose(
        decode(out.getvalue()).pixels, np.moveaxis(array, 0, 2) / 65535, atol=1e-7
    )


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_grey_and_palettes_become_rgb(
    gradient: np.ndarray, saved: Callable[..., bytes], mode: str, name: str
) -> None:
    image = Image.fromarray(gradient).convert(mode)
    expected = np.asarray(image.convert("RGB")) / 255
    np.testing.assert_allclose(decode(saved(image, name)).pixels, expected, atol=2e-3)


def test_white_is_zero_tiff() -> None:
    array = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)
    out = io.BytesIO()
    tifffile.imwrite(out, array, photometric="miniswhite")
    np.testing.assert_allclose(decode(out.getvalue()).pixels[..., 1], 1 - array / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_is_ink_on_white(saved: Callable[..., bytes], name: str) -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(decode(saved(image, name)).pixels - [0, 1, 1]).max() < 0.02


def test_a_colour_key_is_alpha() -> None:
    array = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    plain = bytes(imagecodecs.png_encode(array))
    body = b"tRNS" + struct.pack(">3H", *map(int, array[2, 3]))
    data = plain[:33] + struct.pack(">I", 6) + body + struct.pack(">I", zlib.crc32(body)) + plain[33:]
    alpha = decode(data, alpha="keep").alpha
    assert alpha is not None
    assert alpha[2, 3] == 0
    assert alpha.sum() == 34


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_pictures_come_out_upright(
    gradient: np.ndarray, saved: Callable[..., bytes], name: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "WEBP" else {"quality": 95} if name == "JPEG" else {}
    data = saved(gradient, name, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")) / 255
    picture = decode(data)
    np.testing.assert_allclose(picture.pixels, expected, atol=1e-6)
    assert (inspect(data).width, inspect(data).height) == (picture.width, picture.height)


def test_alpha_is_composed_over_the_background(saved: Callable[..., bytes]) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0] = 255
    rgba[:2, :, 3] = 51
    picture = decode(saved(rgba, "PNG"), background="#00ff80")
    assert picture.alpha is None
    np.testing.assert_allclose(picture.pixels[0, 0], [0.2, 0.8, 0.8 * 128 / 255], atol=1e-6)
    np.testing.assert_allclose(picture.pixels[3, 3], [0, 1, 128 / 255], atol=1e-6)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_kept(gradient: np.ndarray, saved: Callable[..., bytes], name: str) -> None:
    rgba = np.dstack([gradient, np.maximum(gradient[..., 0], 1)])
    picture = decode(saved(rgba, name, **({"lossless": True} if name == "WEBP" else {})), alpha="keep")
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha, rgba[..., 3] / 255, atol=1e-6)
    np.testing.assert_allclose(picture.pixels, gradient / 255, atol=1e-6)


def test_premultiplied_alpha_is_divided_out() -> None:
    colour, cover = 0.5, 0.25
    array = np.full((4, 4, 4), round(colour * cover * 65535), np.uint16)
    array[..., 3] = round(cover * 65535)
    out = io.BytesIO()
    tifffile.imwrite(out, array, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(decode(out.getvalue(), alpha="keep").pixels, colour, atol=1e-4)


def test_a_thumbnail_page_does_not_count(gradient: np.ndarray) -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as file:
        file.write(gradient, photometric="rgb")
        file.write(gradient[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    assert decode(out.getvalue()).width == 32


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_interlaced_sixteen_bit_png(colour: int) -> None:
    """Adam7 of one pixel is one pass of one pixel, so the file can be written by hand."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    values = (np.arange(1, channels + 1) * 12345).astype(">u2")
    head = struct.pack(">IIBBBBB", 1, 1, 16, colour, 0, 0, 1)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" + values.tobytes())), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    pixels = decode(data, alpha="keep").pixels
    colours = values[:3] if channels >= 3 else values[:1]
    np.testing.assert_allclose(pixels[0, 0], np.broadcast_to(colours / 65535, 3), atol=1e-7)
