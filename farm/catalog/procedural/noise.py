"""Spectral noise, the raw material of the other generators, and two media made of it alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from farm.catalog.procedural.palette import random_palette, shade

Array = NDArray[np.float32]


def spectral(
    rng: np.random.Generator, height: int, width: int, slope: float = 2.0, low: float = 0.0
) -> Array:
    """Gaussian noise with power ∝ 1/frequency^slope, zero mean and unit variance, ``(height, width)``.

    ``low`` is the lowest frequency kept, in cycles per picture side; natural pictures have slope 2.
    """
    rows = np.fft.fftfreq(height)[:, None] * height
    columns = np.fft.rfftfreq(width)[None, :] * width
    frequency = np.hypot(rows, columns)
    amplitude = np.where(frequency > low, np.maximum(frequency, 1.0) ** (-slope / 2), 0.0)
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) * amplitude
    field = np.fft.irfft2(spectrum, s=(height, width))
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), np.float32)


def band(rng: np.random.Generator, height: int, width: int, cycles: float) -> Array:
    """Noise whose energy lies around one spatial frequency, in cycles per picture height."""
    rows = np.fft.fftfreq(height)[:, None] * height
    columns = np.fft.rfftfreq(width)[None, :] * height
    frequency = np.hypot(rows, columns)
    window = np.exp(-0.5 * ((frequency - cycles) / (0.25 * cycles)) ** 2)
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) * window, s=(height, width))
    return np.asarray(field / (field.std() + 1e-9), np.float32)


def unit(field: Array) -> Array:
    """A field squeezed into [0, 1]: two standard deviations span the range."""
    return np.asarray(np.clip(0.5 + field / 4, 0, 1), dtype=np.float32)


def clouds(rng: np.random.Generator, height: int, width: int) -> Array:
    """Spectral noise read along a palette: from fog to rust, depending on the slope."""
    palette = random_palette(rng, int(rng.integers(3, 7)))
    field = spectral(rng, height, width, slope=rng.uniform(0.8, 3.2))
    return shade(palette, unit(field * rng.uniform(0.8, 1.6)))


def wash(rng: np.random.Generator, height: int, width: int) -> Array:
    """Watercolour: glazes with darkened edges over granulated paper."""
    palette = random_palette(rng, 5)
    paper = np.array([0.96, 0.94, 0.89], np.float32)
    picture = np.broadcast_to(paper, (height, width, 3)).copy()
    for _ in range(int(rng.integers(4, 9))):
        shape = spectral(rng, height, width, slope=3.8) + rng.normal(0, 0.5)
        inside = 1 / (1 + np.exp(-shape * 18))
        rim = np.exp(-((shape / 0.06) ** 2)) * 0.5
        pigment = palette[rng.integers(0, len(palette))]
        depth = (inside * rng.uniform(0.25, 0.6) + rim * 0.6)[..., None]
        picture = picture * (1 - depth * (1 - pigment))
    grain = spectral(rng, height, width, slope=0.6)[..., None]
    return np.clip(picture + 0.018 * grain, 0, 1).astype(np.float32)
