"""Strips make the file that the whole picture would, and are let go as soon as they are written."""

from __future__ import annotations

import io
import resource
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from farm.errors import InvalidInput, Unavailable
from farm.imaging import Picture, decode, encode, strips, tiff
from farm.imaging.encoding import Encoding, FileFormat
from farm.imaging.picture import Array, Bits
from farm.imaging.shaper import Shaper
from farm.imaging.strips import write_strips

KINDS: list[tuple[FileFormat, Bits]] = [
    ("tiff", 8), ("tiff", 16), ("png", 8), ("png", 16), ("jpeg", 8), ("exr", 16), ("exr", 32)
]  # fmt: skip
WIDTH, HEIGHT = 40, 90


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows at once, so that small pictures have several blocks."""
    monkeypatch.setattr(strips, "_BLOCK", 10 * WIDTH)


def painted(channels: int = 3) -> Array:
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [np.sin(across / (3 + k) + down / 7) for k in range(channels)]
    return np.stack(waves, axis=-1).astype(np.float32) * 0.5 + 0.5


def cut(pixels: Array, rows: int) -> Iterator[Array]:
    for top in range(0, len(pixels), rows):
        yield pixels[top : top + rows].copy()


def written(pixels: Array, rows: int, encoding: Encoding, shaper: Shaper | None = None) -> bytes:
    out = io.BytesIO()
    alpha = pixels.shape[2] == 4
    write_strips(out, cut(pixels, rows), (WIDTH, HEIGHT), encoding, alpha=alpha, shaper=shaper)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "bits", "channels"),
    [(*kind, channels) for kind in KINDS for channels in (3, 4) if (kind[0], channels) != ("jpeg", 4)],
)
@pytest.mark.parametrize("rows", [1, 7, 10, 33, HEIGHT])
def test_the_file_does_not_depend_on_the_strips(
    name: FileFormat, bits: Bits, channels: int, rows: int
) -> None:
    pixels = painted(channels)
    alpha = pixels[..., 3] if channels == 4 else None
    whole = io.BytesIO()
    encode(Picture(pixels[..., :3], alpha), whole, format=name, bits=bits, metadata={"seed": "3"})
    assert written(pixels, rows, Encoding(name, bits, metadata={"seed": "3"})) == whole.getvalue()


@pytest.mark.parametrize("rows", [4, 33])
def test_highlights_survive_strips(rows: int) -> None:
    shaper = Shaper(30.0)
    light = painted() * 30
    data = written(shaper.shaped(light), rows, Encoding("exr", 32), shaper)
    picture = decode(data)
    assert picture.shaper is not None
    assert np.allclose(picture.shaper.light(picture.pixels), light, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "bits"), [kind for kind in KINDS if kind[0] != "jpeg"])
@pytest.mark.parametrize("rows", [1, 10, 25])
def test_few_rows_are_alive_at_once(name: FileFormat, bits: Bits, rows: int) -> None:
    alive, most = 0, 0

    def gone(count: int) -> None:
        nonlocal alive
        alive -= count

    def counted() -> Iterator[Array]:
        nonlocal alive, most
        for strip in cut(painted(), rows):
            weakref.finalize(strip, gone, len(strip))
            alive += len(strip)
            most = max(most, alive)
            yield strip
            del strip

    write_strips(io.BytesIO(), counted(), (WIDTH, HEIGHT), Encoding(name, bits))
    assert alive == 0
    assert most <= 10 + rows


def test_a_path_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def failing() -> Iterator[Array]:
        yield painted()[:50]
        raise InvalidInput("the tiles are gone.")

    target = tmp_path / "print.tif"
    for name in ("tiff", "png", "exr"):
        with pytest.raises(InvalidInput, match="tiles are gone"):
            write_strips(target, failing(), (WIDTH, HEIGHT), Encoding(name, 16))
        assert list(tmp_path.iterdir()) == []
    write_strips(target, cut(painted(), 20), (WIDTH, HEIGHT), Encoding("tiff", 16))
    assert target.read_bytes() == written(painted(), 20, Encoding("tiff", 16))


@pytest.mark.parametrize(("name", "bits"), KINDS)
def test_strips_that_do_not_make_the_picture(name: FileFormat, bits: Bits) -> None:
    encoding, size = Encoding(name, bits), (WIDTH, HEIGHT)
    with pytest.raises(ValueError, match="end 10 rows before"):
        write_strips(io.BytesIO(), cut(painted()[:80], 20), size, encoding)
    with pytest.raises(ValueError, match="where 0 rows"):
        write_strips(io.BytesIO(), iter([painted(), painted()[:1]]), size, encoding)
    with pytest.raises(ValueError, match="are missing"):
        write_strips(io.BytesIO(), iter([painted(4)]), size, encoding)


@pytest.mark.parametrize(
    ("side", "channels", "bits", "big"),
    [(9933, 3, 16, False), (26_000, 3, 16, False), (27_000, 3, 16, True), (27_000, 4, 8, False)],
)
def test_64_bit_offsets_where_the_file_may_pass_4_gb(
    side: int, channels: int, bits: int, big: bool
) -> None:
    assert tiff.must_be_big((side, side, channels), bits) is big


@pytest.mark.parametrize("big", [False, True, None])
def test_64_bit_offsets_as_asked(big: bool | None) -> None:
    data = written(painted(), 10, Encoding("tiff", 16, big=big))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert file.is_bigtiff is bool(big)
    assert np.abs(decode(data).pixels - painted()).max() < 1e-5


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        write_strips(tmp_path / "no" / "a.exr", cut(painted(), 9), (WIDTH, HEIGHT), Encoding("exr", 16))


@pytest.mark.parametrize("name", ["tiff", "png", "exr"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, name: FileFormat) -> None:
    noise = np.random.default_rng(1).random((HEIGHT, WIDTH, 3), np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(Unavailable, match=r"cannot be written \(.+\); make room") as caught:
            write_strips(tmp_path / f"a.{name}", cut(noise, 9), (WIDTH, HEIGHT), Encoding(name, 16))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ".a-" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_png_filters_earn_their_keep() -> None:
    """A slope is the case that filters are for: without them it would hardly deflate."""
    slope = np.repeat(
        np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH, 1), 3, 2
    )
    assert len(written(slope, 10, Encoding("png", 16))) < slope.size * 2 / 8
