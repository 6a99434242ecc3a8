"""Colour: conversions agree with littlecms."""

from __future__ import annotations

import io
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from farm.errors import InvalidInput
from farm.imaging import decode
from farm.imaging.colour import srgb_profile, to_linear, to_srgb


@pytest.fixture
def cube() -> np.ndarray:
    """uint8 (17, 289, 3): the whole RGB cube in steps of 15."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)[:17]
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(17, 289, 3)


def by_littlecms(image: Image.Image, icc: bytes) -> np.ndarray:
    out = ImageCms.profileToProfile(
        image, io.BytesIO(icc), io.BytesIO(srgb_profile()), outputMode="RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip
    return np.asarray(out) / 255


def test_transfer_curve_known_values_and_inverse() -> None:
    known = np.array([0, 0.04045, 0.5, 1], np.float32)
    np.testing.assert_allclose(to_linear(known), [0, 0.0031308, 0.2140411, 1], atol=1e-6)
    ramp = np.linspace(0, 1, 4096, dtype=np.float32)
    np.testing.assert_allclose(to_srgb(to_linear(ramp)), ramp, atol=1e-6)


def test_the_profile_is_the_same_every_day() -> None:
    assert srgb_profile()[24:36] == bytes.fromhex("07d000010001000000000000")


def test_matrix_profiles_agree_with_littlecms(
    cube: np.ndarray, saved: Callable[..., bytes], profile: Callable[..., bytes], curve: bytes
) -> None:
    icc = profile(b"RGB ", curve)
    picture = decode(saved(cube, "PNG", icc_profile=icc))
    expected = by_littlecms(Image.fromarray(cube), icc)
    assert np.abs(picture.pixels - expected).max() < 1.6 / 255
    assert picture.source_profile == "Test RGB"
    assert np.abs(picture.pixels - cube / 255).max() > 0.1


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_sixteen_bits_stay_sixteen_through_a_profile(
    cube: np.ndarray,
    saved: Callable[..., bytes],
    profile: Callable[..., bytes],
    curve: bytes,
    name: str,
) -> None:
    icc = profile(b"RGB ", curve)
    deep = cube.astype(np.uint16) * 257
    out = io.BytesIO()
    if name == "tiff":
        tifffile.imwrite(out, deep, photometric="rgb", iccprofile=icc)
    else:
        small = saved(cube, "PNG", icc_profile=icc)
        start = small.index(b"iCCP") - 4
        plain = imagecodecs.png_encode(deep)
        out.write(plain[:33] + small[start : small.index(b"IDAT") - 4] + plain[33:])
    picture = decode(out.getvalue())
    assert picture.bits == 16
    np.testing.assert_allclose(
        picture.pixels, decode(saved(cube, "PNG", icc_profile=icc)).pixels, atol=2e-5
    )


def test_grey_profiles_agree_with_littlecms(
    saved: Callable[..., bytes], profile: Callable[..., bytes], curve: bytes
) -> None:
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, axis=0)
    icc = profile(b"GRAY", curve)
    expected = by_littlecms(Image.fromarray(ramp), icc)
    assert np.abs(decode(saved(ramp, "PNG", icc_profile=icc)).pixels - expected).max() < 1.6 / 255


def test_srgb_files_are_left_alone(gradient: np.ndarray, saved: Callable[..., bytes]) -> None:
    picture = decode(saved(gradient, "PNG", icc_profile=srgb_profile()))
    np.testing.assert_array_equal(picture.pixels, gradient.astype(np.float32) / np.float32(255))


def test_table_profiles_leave_eight_bits_and_say_so(
    gradient: np.ndarray, table_profile: Callable[..., bytes]
) -> None:
    icc = table_profile(b"RGB ")
    out = io.BytesIO()
    tifffile.imwrite(out, gradient.astype(np.uint16) * 257, photometric="rgb", iccprofile=icc)
    picture = decode(out.getvalue())
    assert (picture.bits, picture.source_profile) == (8, "Test table")
    np.testing.assert_allclose(
        picture.pixels, by_littlecms(Image.fromarray(gradient), icc), atol=1 / 255
    )


def test_cmyk_goes_through_its_profile(
    saved: Callable[..., bytes], table_profile: Callable[..., bytes]
) -> None:
    icc = table_profile(b"CMYK")
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    picture = decode(saved(image, "TIFF", icc_profile=icc))
    np.testing.assert_allclose(picture.pixels, by_littlecms(image, icc), atol=1 / 255)
    assert np.ptp(picture.pixels[0, 0]) < 0.01, "the profile knows only greys"


def test_a_table_profile_that_littlecms_cannot_use(
    gradient: np.ndarray, saved: Callable[..., bytes], table_profile: Callable[..., bytes]
) -> None:
    icc = table_profile(b"RGB ").replace(b"mft1", b"mftX")
    with pytest.raises(InvalidInput, match="profile cannot be used"):
        decode(saved(gradient, "PNG", icc_profile=icc))
