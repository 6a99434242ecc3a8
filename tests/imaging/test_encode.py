"""Files say what was asked, lose nothing but rounding, and are the same bytes each time."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from farm.errors import InvalidInput, Unavailable
from farm.imaging import Picture, decode, encode, inspect, media_type

NOTE = {"job": "7f3a", "extractor": "vgg19"}


@pytest.mark.parametrize("name", ["tiff", "png"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("with_alpha", [False, True], ids=["opaque", "alpha"])
def test_round_trip_is_within_half_a_step(
    smooth: np.ndarray, encoded: Callable[..., bytes], name: str, bits: int, with_alpha: bool
) -> None:
    alpha = smooth[..., 0].copy() if with_alpha else None
    data = encoded(Picture(smooth, alpha), format=name, bits=bits)
    back = decode(data, alpha="keep")
    step = 0.5 / (2**bits - 1) + 1e-7
    assert np.abs(back.pixels - smooth).max() <= step
    assert back.bits == bits
    assert (back.alpha is not None) == with_alpha
    if back.alpha is not None:
        assert np.abs(back.alpha - smooth[..., 0]).max() <= step


def test_jpeg_is_close_and_keeps_colour_at_full_resolution(
    gradient: np.ndarray, encoded: Callable[..., bytes]
) -> None:
    stripes = np.zeros((16, 16, 3), np.float32)
    stripes[:, ::2, 0] = 1
    data = encoded(Picture(stripes), format="jpeg", bits=8)
    with JpegImageFile(io.BytesIO(data)) as image:
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}
    assert np.abs(decode(data).pixels - stripes).mean() < 0.02


@pytest.mark.parametrize(("name", "bits"), [("tiff", 16), ("png", 16), ("png", 8), ("jpeg", 8)])
def test_profile_and_density_are_in_the_file(
    smooth: np.ndarray, encoded: Callable[..., bytes], name: str, bits: int
) -> None:
    data = encoded(Picture(smooth), format=name, bits=bits, dpi=300, metadata=NOTE)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert "sRGB" in decode(data).source_profile


def test_tiff_tags(smooth: np.ndarray, encoded: Callable[..., bytes]) -> None:
    data = encoded(Picture(smooth), format="tiff", bits=16, dpi=240, metadata=NOTE)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert json.loads(page.description) == NOTE
        assert page.software == "style-farm"
        assert [int(page.compression), page.predictor, page.bitspersample] == [8, 2, 16]
        assert page.resolution == (240, 240)


def test_metadata_in_png_and_jpeg(smooth: np.ndarray, encoded: Callable[..., bytes]) -> None:
    note = NOTE | {"artist": "Łucja"}
    with Image.open(
        io.BytesIO(encoded(Picture(smooth), format="png", bits=16, metadata=note))
    ) as image:
        assert {**note, "Software": "style-farm"}.items() <= image.info.items()
    with Image.open(
        io.BytesIO(encoded(Picture(smooth), format="jpeg", bits=8, metadata=note))
    ) as image:
        assert json.loads(image.info["comment"]) == note


@pytest.mark.parametrize(("name", "bits"), [("tiff", 8), ("png", 8), ("jpeg", 8), ("exr", 32)])
def test_the_same_bytes_every_time(
    smooth: np.ndarray, encoded: Callable[..., bytes], name: str, bits: int
) -> None:
    picture = Picture(smooth)
    assert encoded(picture, format=name, bits=bits) == encoded(picture, format=name, bits=bits)


def test_rounding_is_to_the_nearest_and_clips(encoded: Callable[..., bytes]) -> None:
    values = np.array([[-0.5, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 7.0]], np.float32)
    pixels = np.repeat(values[..., None], 3, axis=2)
    with Image.open(io.BytesIO(encoded(Picture(pixels), format="png", bits=8))) as image:
        assert np.asarray(image)[0, :, 1].tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize("name", ["tiff", "png", "exr"])
def test_pixels_that_are_not_numbers_are_refused_and_leave_no_file(
    smooth: np.ndarray, tmp_path: Path, name: Literal["tiff", "png", "exr"]
) -> None:
    smooth[300 % 24, 5, 1] = np.nan
    with pytest.raises(InvalidInput, match="not numbers"):
        encode(Picture(smooth), tmp_path / f"out.{name}", format=name, bits=16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "bits", "match"),
    [
        ("jpeg", 16, "JPEG holds 8 bits, not 16; use tiff or png"),
        ("tiff", 32, "TIFF holds 8 or 16 bits, not 32; use exr"),
        ("png", 32, "PNG holds 8 or 16 bits, not 32; use exr"),
        ("exr", 8, "EXR holds 16 or 32 bits, not 8; use"),
    ],
)
def test_bits_that_a_format_cannot_hold(
    encoded: Callable[..., bytes], name: str, bits: int, match: str
) -> None:
    with pytest.raises(InvalidInput, match=match) as caught:
        encoded(Picture(np.zeros((2, 2, 3), np.float32)), format=name, bits=bits)
    assert caught.value.field == "output.bit_depth"


@pytest.mark.parametrize(
    ("picture", "bits", "field"),
    [
        (Picture(np.zeros((2, 2, 3), np.float32), np.ones((2, 2), np.float32)), 8, "output.alpha"),
        (Picture(np.zeros((1, 65_536, 3), np.float32)), 8, "output.format"),
    ],
    ids=["alpha", "too long"],
)
def test_what_jpeg_cannot_hold(picture: Picture, bits: int, field: str) -> None:
    with pytest.raises(InvalidInput, match="use tiff") as caught:
        encode(picture, io.BytesIO(), format="jpeg", bits=bits)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["png", "exr"])
def test_a_path_that_cannot_be_written(
    smooth: np.ndarray, tmp_path: Path, name: Literal["png", "exr"]
) -> None:
    path = tmp_path / "missing" / f"out.{name}"
    with pytest.raises(Unavailable, match=r"cannot be written \(No such file or directory\)"):
        encode(Picture(smooth), path, format=name, bits=16)


def test_writing_to_a_path(smooth: np.ndarray, tmp_path: Path) -> None:
    encode(Picture(smooth), str(tmp_path / "a.tiff"), format="tiff", bits=16)
    assert inspect(tmp_path / "a.tiff").bits == 16


def test_media_types() -> None:
    assert [media_type(name) for name in ("tiff", "png", "jpeg", "exr")] == [
        "image/tiff",
        "image/png",
        "image/jpeg",
        "image/x-exr",
    ]
