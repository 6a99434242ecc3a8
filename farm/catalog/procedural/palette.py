"""Palettes that look chosen: colours picked in OKLCH, so that equal steps look equal.

OKLab after B. Ottosson, "A perceptual color space for image processing" (2020).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_LMS_FROM_LAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def srgb_from_oklch(lightness: Array, chroma: Array, hue: Array) -> Array:
    """sRGB-encoded colours, ``(..., 3)`` clipped to [0, 1]; hue in radians."""
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    linear = (lab @ _LMS_FROM_LAB.T) ** 3 @ _RGB_FROM_LMS.T
    linear = np.clip(linear, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(encoded, np.float32)


def random_palette(rng: np.random.Generator, colours: int) -> Array:
    """``(colours, 3)`` sRGB colours from dark to light around one to three related hues."""
    base = rng.uniform(0, 2 * np.pi)
    spread = rng.choice([0.3, 0.6, 2.1, np.pi])
    hues = base + rng.choice([-1.0, 0.0, 1.0], colours) * spread + rng.normal(0, 0.12, colours)
    darkest, lightest = sorted(rng.uniform([0.1, 0.7], [0.45, 0.98]))
    lightness = np.linspace(darkest, lightest, colours) + rng.normal(0, 0.03, colours)
    chroma = 0.22 * rng.random() ** 0.6 * rng.uniform(0.4, 1.2, colours)
    return srgb_from_oklch(np.clip(lightness, 0, 1), chroma, hues)


def shade(palette: Array, value: Array | np.float32) -> Array:
    """Colours of ``value`` in [0, 1] read along the palette with linear interpolation."""
    position = np.clip(value, 0, 1) * (len(palette) - 1)
    low = np.minimum(position.astype(int), len(palette) - 2)
    mix = (position - low)[..., None].astype(np.float32)
    return np.asarray(palette[low] * (1 - mix) + palette[low + 1] * mix, np.float32)
