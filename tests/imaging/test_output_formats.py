"""What a job may ask of its file is what the encoder can write."""

from __future__ import annotations

import io
from itertools import product
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from farm.cli.preview import FORMATS
from farm.errors import InvalidInput
from farm.imaging import Picture, encode, media_type
from farm.imaging.encoding import FileFormat
from farm.imaging.picture import Bits
from farm.spec.output import Output


def output(**asked: object) -> Output:
    return Output.model_validate({"long_edge": 64, **asked})


@pytest.mark.parametrize(
    ("name", "asked", "bits"),
    [
        ("tiff", None, 16), ("png", None, 16), ("jpeg", None, 8), ("exr", None, 16), ("exr", 16, 16),
        ("exr", 32, 32), ("tiff", 8, 8),
    ],
)  # fmt: skip
def test_bits(name: str, asked: int | None, bits: int) -> None:
    assert output(format=name, bit_depth=asked).bits == bits


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"format": "tiff", "bit_depth": 32}, "tiff does not hold 32 bits; use exr"),
        ({"format": "jpeg", "bit_depth": 32}, "jpeg does not hold 32 bits; use exr"),
        ({"format": "exr", "bit_depth": 8}, r"exr holds 16 bits \(half\) or 32 \(float\), not 8"),
        ({"format": "jpeg", "alpha": "keep"}, "jpeg holds 8 bits and no alpha"),
    ],
)
def test_refusals(asked: dict[str, object], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        output(**asked)


@pytest.mark.parametrize(
    ("name", "bits", "alpha"),
    list(product(get_args(FileFormat), get_args(Bits), ["keep", "compose"])),
)
def test_the_job_is_refused_exactly_when_the_encoder_would(
    name: FileFormat, bits: Bits, alpha: str
) -> None:
    cover = np.ones((2, 2), np.float32) if alpha == "keep" else None
    try:
        encode(Picture(np.zeros((2, 2, 3), np.float32), cover), io.BytesIO(), format=name, bits=bits)
        held = True
    except InvalidInput:
        held = False
    try:
        output(format=name, bit_depth=bits, alpha=alpha)
        allowed = True
    except ValidationError:
        allowed = False
    assert held == allowed


def test_every_format_has_an_ending_and_a_media_type() -> None:
    assert set(FORMATS.values()) == set(get_args(FileFormat))
    assert media_type("exr") == "image/x-exr"
    assert FORMATS[".exr"] == "exr"
