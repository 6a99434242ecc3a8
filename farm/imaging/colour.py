"""The sRGB curve and its profile."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import ImageCms

from farm.imaging.picture import Array

_CREATED = slice(24, 36)
_FIXED_DATE = bytes.fromhex("07d0 0001 0001 0000 0000 0000")


@cache
def srgb_profile() -> bytes:
    """The sRGB ICC profile, the same bytes on every day (littlecms would write today's date)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_CREATED] = _FIXED_DATE
    return bytes(profile)


def to_linear(encoded: Array) -> Array:
    """Light from sRGB values (IEC 61966-2-1), both 0 to 1."""
    powered = ((np.maximum(encoded, 0.04045) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(
        2.4
    )
    return np.where(encoded <= 0.04045, encoded / np.float32(12.92), powered).astype(np.float32)


def to_srgb(linear: Array) -> Array:
    """sRGB values from light, both 0 to 1."""
    powered = np.float32(1.055) * np.maximum(linear, 0.0031308) ** np.float32(1 / 2.4) - np.float32(
        0.055
    )
    return np.where(linear <= 0.0031308, linear * np.float32(12.92), powered).astype(np.float32)
