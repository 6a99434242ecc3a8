"""From a file's own colour space to sRGB.

Matrix profiles (AdobeRGB, Display P3, ProPhoto, camera and working spaces) and grey curves are
converted in floating point at the file's full depth, relative to the media white, clipped to sRGB.
Table profiles (CMYK, scanners) go through littlecms, which here works at 8 bits: a 16-bit picture with
such a profile comes out with ``bits`` 8, since that is what is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from farm.imaging import lut
from farm.imaging.colour import to_srgb
from farm.imaging.header import Raw, Samples, UnsupportedError
from farm.imaging.icc import Icc, parse
from farm.imaging.picture import Array, Bits

_ROWS = 256
_SRGB_FROM_D50 = np.array(
    [[3.1341359, -1.6173863, -0.4906619], [-0.9787955, 1.9162544, 0.0334427],
     [0.0719553, -0.2289769, 1.4053860]]
)  # fmt: skip
"""Linear sRGB from XYZ relative to D50: the inverse of the colorants in the sRGB profile."""

_CLOSE = 2e-3


@dataclass(frozen=True)
class Converted:
    """sRGB pixels, float32 (height, width, 3), the bits they still carry, and where they came from."""

    pixels: Array
    bits: Bits
    profile: str


def to_srgb_pixels(raw: Raw, icc: bytes, bits: Bits) -> Converted:
    """Convert by the profile; without one the samples are sRGB.

    Raises:
        MalformedError: the profile cannot be read.
        UnsupportedError: the profile is for another kind of pixels.
    """
    if not icc:
        return Converted(_plain(raw), bits, "none" if raw.space == "cmyk" else "sRGB")
    profile = parse(icc)
    if profile.space != raw.space:
        raise UnsupportedError(f"has {raw.space} pixels but a {profile.space} profile; use sRGB")
    if profile.curves is None:
        return Converted(lut.convert(raw, icc), 8, profile.name)
    if _is_srgb(profile, raw.maximum):
        return Converted(_plain(raw), bits, profile.name)
    return Converted(_by_curves(raw, profile), bits, profile.name)


def _bands(height: int) -> Iterator[slice]:
    for top in range(0, height, _ROWS):
        yield slice(top, top + _ROWS)


def _banded(raw: Raw, convert: Callable[[Samples], Array]) -> Array:
    """Run a conversion band by band, so that its temporaries stay small."""
    out = np.empty((*raw.samples.shape[:2], 3), np.float32)
    for rows in _bands(raw.samples.shape[0]):
        out[rows] = convert(raw.samples[rows])
    return out


def _plain(raw: Raw) -> Array:
    def convert(band: Samples) -> Array:
        share: Array = np.divide(band, raw.maximum, dtype=np.float32)
        return (1 - share[..., :3]) * (1 - share[..., 3:]) if raw.space == "cmyk" else share

    return _banded(raw, convert)


def _by_curves(raw: Raw, profile: Icc) -> Array:
    tables = _tables(profile, raw.maximum)
    if profile.matrix is None:
        return _banded(raw, lambda band: to_srgb(np.clip(tables[0][band], 0, 1)))
    matrix = (_SRGB_FROM_D50 @ profile.matrix).astype(np.float32)

    def convert(band: Samples) -> Array:
        light = np.stack([table[band[..., index]] for index, table in enumerate(tables)], axis=-1)
        return to_srgb(np.clip(light @ matrix.T, 0, 1))

    return _banded(raw, convert)


def _tables(profile: Icc, maximum: int) -> list[Array]:
    """Light at every value a sample can have: exact, and cheaper than a power per pixel."""
    assert profile.curves is not None
    codes = np.linspace(0, 1, maximum + 1)
    return [curve(codes).astype(np.float32) for curve in profile.curves]


def _is_srgb(profile: Icc, maximum: int) -> bool:
    """Whether the profile is sRGB but for rounding, so that the samples can stay untouched."""
    codes = np.linspace(0, 1, maximum + 1)
    curves = all(np.abs(to_srgb(table) - codes).max() < _CLOSE for table in _tables(profile, maximum))
    matrix = profile.matrix is None or bool(
        np.abs(_SRGB_FROM_D50 @ profile.matrix - np.eye(3)).max() < _CLOSE
    )
    return curves and matrix
