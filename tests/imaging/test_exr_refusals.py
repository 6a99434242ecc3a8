"""What EXR is refused, with what sentence."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from farm.errors import InvalidInput, TooLarge
from farm.imaging import Limits, decode, inspect

Made = Callable[..., bytes]


def refused(data: bytes, match: str, kind: type[InvalidInput] = InvalidInput) -> None:
    with pytest.raises(kind, match=match) as caught:
        decode(data)
    assert caught.value.field == "content"
    assert caught.value.message.startswith("content: ")
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


def layers(names: str, value: float = 0.5) -> dict[str, np.ndarray]:
    return {name: np.full((8, 8), value, np.float16) for name in names.split()}


def attribute(data: bytes, name: str, value: bytes) -> bytes:
    """The file with an attribute's value replaced by one of the same length."""
    place = data.index(name.encode() + b"\0") + len(name) + 1
    place = data.index(b"\0", place) + 5
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_cut_short(exr: Made, share: float, tile: int) -> None:
    noise = np.random.default_rng(3).random((64, 64, 3)).astype(np.float16)
    data = exr({name: noise[..., place] for place, name in enumerate("RGB")}, tile=tile)
    refused(data[: int(len(data) * share)], "EXR is damaged or cut short")


def test_several_parts(exr: Made) -> None:
    refused(exr(layers("R G B"), parts=2), "holds several parts; save the one you want by itself")


@pytest.mark.parametrize(
    ("flags", "match"),
    [(0x802, "holds deep data; flatten it"), (3, "is of version 3; save it as version 2")],
)
def test_flags(exr: Made, flags: int, match: str) -> None:
    data = exr(layers("R G B"))
    refused(data[:4] + struct.pack("<I", flags) + data[8:], match)


def test_a_bomb_is_refused_from_its_header(exr: Made) -> None:
    window = struct.pack("<4i", 0, 0, 59_999, 59_999)
    bomb = exr(layers("R G B"))
    for name in ("dataWindow", "displayWindow"):
        bomb = attribute(bomb, name, window)
    tracemalloc.start()
    refused(bomb, "60000×60000 pixels is over the limit of 400 megapixels", TooLarge)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_more_pixels_than_are_shown(exr: Made) -> None:
    data = attribute(exr(layers("R G B")), "dataWindow", struct.pack("<4i", 0, 0, 9999, 9999))
    refused(data, "stores 10000×10000 pixels for a picture of 8×8; crop it to its display window")


def test_no_pixel_that_is_shown(exr: Made) -> None:
    refused(exr(layers("R G B"), shown=(20, 0, 8, 8)), "stores no pixel of its display window")


@pytest.mark.parametrize("window", [(0, 0, -1, 7), (5, 5, 4, 4)])
def test_windows_without_pixels(exr: Made, window: tuple[int, ...]) -> None:
    packed = struct.pack("<4i", *window)
    refused(attribute(exr(layers("R G B")), "dataWindow", packed), "its data window is empty")
    refused(attribute(exr(layers("R G B")), "displayWindow", packed), "is no picture")


def test_tiles_larger_than_the_picture(exr: Made) -> None:
    data = exr(layers("R G B"), tile=16)
    data = attribute(data, "tiles", struct.pack("<2I", 60_000, 60_000))
    refused(data, "its tiles are far larger than the picture")


def test_an_unknown_compression(exr: Made) -> None:
    refused(attribute(exr(layers("R G B")), "compression", b"\x0b"), "by method 11; save it with zip")


def test_channels_of_lower_resolution(exr: Made) -> None:
    data = exr(layers("BY RY Y"))
    name = data.index(b"RY\0")
    sampled = data[: name + 11] + struct.pack("<2i", 2, 2) + data[name + 19 :]
    refused(sampled, "chroma, at a lower resolution; export it as RGB")


def test_no_layer_of_colour(exr: Made) -> None:
    refused(exr(layers("Z N.X")), "has no layer with the channels R, G and B, only N.X, Z; export it")
    many = " ".join(f"aov{index:02d}.Z" for index in range(20))
    refused(exr(layers(many)), r"aov11\.Z …; export it")


def test_whole_numbers_are_not_colours(exr: Made) -> None:
    ids = {name: np.full((4, 4), 7, np.uint32) for name in "RGB"}
    refused(exr(ids), "holds whole numbers in R, G, B; export it as half or float")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", ["G", "A"])
def test_what_is_no_number(exr: Made, value: float, channel: str) -> None:
    made = layers("R G B A")
    made[channel][3, 5] = value
    refused(exr(made), "infinite or not numbers; repair them first")


def test_primaries_that_span_no_colours(exr: Made) -> None:
    line = (0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)
    refused(exr(layers("R G B"), chromaticities=("float[8]", line)), "damaged")


def test_too_many_channels(exr: Made) -> None:
    many = " ".join(f"aov{index:03d}.Z" for index in range(511))
    assert inspect(exr(layers(f"{many} R G B".replace("aov000.Z aov001.Z ", "")))).width == 8
    refused(exr(layers(f"{many} R G B")), "has over 512 channels; save its picture by itself")


def test_header_without_end() -> None:
    refused(b"v/1\x01\x02\0\0\0" + b"a\0b\0" + bytes(4) * 1, "damaged or cut short")
    endless = b"v/1\x01\x02\0\0\0" + b"a\0b\0\0\0\0\0" * 3000
    refused(endless, "over 2000 attributes")
    refused(b"v/1\x01\x02\0\0\0" + b"a" * 400, "a name in its header does not end")


def test_limits_hold(exr: Made) -> None:
    data = exr(layers("R G B"))
    with pytest.raises(TooLarge, match="megapixels"):
        decode(data, Limits(max_megapixels=63 / 1e6))


@pytest.mark.parametrize("options", [{}, {"tile": 16}, {"compression": "piz"}, {"compression": "dwaa"}])
def test_broken_files_only_ever_give_a_sentence(exr: Made, options: dict[str, object]) -> None:
    rng = np.random.default_rng(7)
    noise = rng.random((64, 64, 3)).astype(np.float16)
    data = exr({name: noise[..., place] for place, name in enumerate("RGB")}, **options)
    outcomes = set()
    for _ in range(60):
        broken = bytearray(data)
        span = 500 if rng.random() < 0.7 else len(data)
        for place in rng.integers(4, span, rng.integers(1, 6)):
            broken[place] = rng.integers(0, 256)
        try:
            outcomes.add(type(decode(bytes(broken), Limits(max_megapixels=1))).__name__)
        except InvalidInput:
            outcomes.add("refused")
    assert outcomes == {"Picture", "refused"}
