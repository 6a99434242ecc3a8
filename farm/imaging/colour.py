"""sRGB, its profile, and giving a stylised picture the colours of its content."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import ImageCms

from farm.imaging.picture import Array

BT709 = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
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


def luma(pixels: Array) -> Array:
    """BT.709 luma (height, width) of sRGB-encoded pixels (height, width, 3)."""
    weighed: Array = np.matmul(pixels, BT709)
    return weighed


def keep_colour(stylised: Array, content: Array) -> Array:
    """The luma of ``stylised`` with the hue of ``content``; all float32 (height, width, 3), 0 to 1.

    Chroma is ``content`` less its own luma. Where luma and chroma together leave the gamut, chroma is
    scaled down until they fit, so that luma, which carries the brush strokes, and hue stay exact.
    """
    tone = luma(stylised)[..., None]
    chroma = content - luma(content)[..., None]
    room = np.where(chroma > 0, 1 - tone, tone)
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = np.where(chroma == 0, np.float32(np.inf), room / np.abs(chroma))
    scale = np.minimum(fits.min(axis=2, keepdims=True), 1)
    kept: Array = np.clip(tone + chroma * scale, 0, 1)
    return kept
