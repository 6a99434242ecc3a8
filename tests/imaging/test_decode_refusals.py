"""What is refused, with what sentence, and that nothing else ever comes out of a broken file."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from farm.errors import InvalidInput, TooLarge
from farm.imaging import Limits, Picture, decode, inspect

FORMATS = ["JPEG", "PNG", "TIFF", "WEBP"]


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def refused(
    data: bytes | Path, match: str, kind: type[InvalidInput] = InvalidInput, **options: Any
) -> None:
    with pytest.raises(kind, match=match) as caught:
        decode(data, field="styles.0.image", **options)
    assert caught.value.field == "styles.0.image"
    assert caught.value.message.startswith("styles.0.image: ")
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_short(noise: np.ndarray, saved: Callable[..., bytes], name: str, share: float) -> None:
    data = saved(noise, name)
    refused(data[: int(len(data) * share)], "damaged or cut short")


def test_a_png_without_its_end_is_cut_short(noise: np.ndarray, saved: Callable[..., bytes]) -> None:
    refused(saved(noise, "PNG")[:-12], "the file ends too soon")


def test_a_flipped_bit_in_a_png_is_found(noise: np.ndarray, saved: Callable[..., bytes]) -> None:
    data = bytearray(saved(noise, "PNG"))
    data[len(data) // 2] ^= 1
    refused(bytes(data), "damaged or cut short")


@pytest.mark.parametrize("data", [b"<html></html>", b"\0" * 100, b"GIF89a" + b"\0" * 50], ids=repr)
def test_not_a_picture(data: Any) -> None:
    refused(data, "not a picture that can be read; give a JPEG, PNG, TIFF, WebP or EXR")


def test_nothing_in_it() -> None:
    refused(b"", "empty")


@pytest.mark.parametrize(
    "magic", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"RIFF____WEBP", b"v/1\x01"]
)
def test_a_magic_number_and_nothing_more(magic: bytes) -> None:
    refused(magic, "damaged or cut short")


def test_a_bomb_is_refused_from_its_header() -> None:
    body = zlib.compress(bytes(1_000_000))
    bomb = png_of(60_000, 60_000, chunk(b"IDAT", body))
    tracemalloc.start()
    refused(bomb, "60000×60000 pixels is over the limit of 400 megapixels", TooLarge)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("side", [(0, 10), (10, 0)], ids=str)
def test_no_pixels(side: tuple[int, int]) -> None:
    refused(png_of(*side, chunk(b"IDAT", zlib.compress(b"\0"))), "is no picture")


def test_an_edge_over_the_limit() -> None:
    refused(png_of(300_000, 3000), "edge over 200000", TooLarge)


def test_a_ribbon() -> None:
    refused(png_of(5000, 10), "longer than 100 times its width")


def test_limits_are_inclusive(noise: np.ndarray, saved: Callable[..., bytes]) -> None:
    data = saved(noise, "PNG")
    exact = Limits(max_bytes=len(data), max_megapixels=64 * 64 / 1e6, max_edge=64, max_aspect=1)
    assert decode(data, exact).width == 64
    refused(data, "over the limit", TooLarge, limits=Limits(max_bytes=len(data) - 1))
    refused(data, "megapixels", TooLarge, limits=Limits(max_megapixels=64 * 64 / 1e6 - 1e-6))


def test_files_over_the_byte_limit_are_not_read(
    noise: np.ndarray, saved: Callable[..., bytes], put: Callable[[str, bytes], Path]
) -> None:
    path = put("large.png", saved(noise, "PNG"))
    refused(path, "MB is over the limit of 0.0001 MB", TooLarge, limits=Limits(max_bytes=100))


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "gone.png", "gone.png' does not exist")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "is not a file")


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_several_frames(noise: np.ndarray, saved: Callable[..., bytes], name: str) -> None:
    frames = [Image.fromarray(noise), Image.fromarray(noise[::-1].copy())]
    refused(
        saved(frames[0], name, save_all=True, append_images=frames[1:]), "animated or has several pages"
    )


def test_float_tiff_is_not_guessed(noise: np.ndarray) -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, noise.astype(np.float32), photometric="rgb")
    refused(out.getvalue(), "export it with 16 bits")


def test_sixteen_bit_cmyk_is_not_guessed() -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((8, 8, 4), np.uint16), photometric="separated")
    refused(out.getvalue(), "16-bit CMYK")


def test_a_profile_that_inflates_without_end() -> None:
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000)))
    refused(png_of(8, 8, bomb), "inflates without end")


def test_a_profile_for_other_pixels(
    gradient: np.ndarray, saved: Callable[..., bytes], profile: Callable[..., bytes]
) -> None:
    grey = profile(b"GRAY", b"curv\0\0\0\0\0\0\0\0")
    refused(saved(gradient, "PNG", icc_profile=grey), "rgb pixels but a grey profile")


def test_a_profile_that_is_none(gradient: np.ndarray, saved: Callable[..., bytes]) -> None:
    refused(saved(gradient, "PNG", icc_profile=b"nonsense" * 30), "profile cannot be read")


def test_exif_noise_is_ignored(gradient: np.ndarray, saved: Callable[..., bytes]) -> None:
    data = saved(gradient, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xfe" * 40)
    assert decode(data).width == 32


def test_broken_files_only_ever_give_a_sentence(
    noise: np.ndarray, saved: Callable[..., bytes], encoded: Callable[..., bytes]
) -> None:
    """Bytes overwritten at random places: a picture or InvalidInput, no other exception, no warning."""
    rng = np.random.default_rng(7)
    picture = Picture(np.asarray(noise / 255, np.float32))
    files = [saved(noise, name) for name in FORMATS]
    files.append(encoded(picture, format="tiff", bits=16))
    files.append(encoded(picture, format="exr", bits=16))
    outcomes: set[type] = set()
    for data in files:
        for _ in range(120):
            broken = bytearray(data)
            span = min(len(data), 400) if rng.random() < 0.7 else len(data)
            for place in rng.integers(4, span, rng.integers(1, 6)):
                broken[place] = rng.integers(0, 256)
            try:
                inspect(bytes(broken), Limits(max_megapixels=1))
                outcomes.add(type(decode(bytes(broken), Limits(max_megapixels=1))))
            except InvalidInput:
                outcomes.add(InvalidInput)
    assert outcomes == {Picture, InvalidInput}


def test_refusing_a_file_costs_no_reference_to_none(
    noise: np.ndarray, saved: Callable[..., bytes]
) -> None:
    """Some decoders lose one for each broken file, until the process dies."""
    broken = bytearray(saved(noise, "PNG"))
    broken[-30] ^= 1
    before = sys.getrefcount(None)
    for _ in range(300):
        with pytest.raises(InvalidInput):
            decode(bytes(broken))
    assert sys.getrefcount(None) > before - 150


def test_rare_compressions_are_refused(noise: np.ndarray) -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, noise, photometric="rgb", compression="png")
    refused(out.getvalue(), "compressed by method 34933; export it with LZW or deflate")
