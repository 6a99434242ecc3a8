"""Media made of lines: engraving and marbled paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from farm.catalog.procedural.noise import spectral, unit
from farm.catalog.procedural.palette import random_palette, shade

Array = NDArray[np.float32]


def hatch(rng: np.random.Generator, height: int, width: int) -> Array:
    """Engraving: parallel lines that swell with the tone, crossed where it is dark."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    tone = unit(spectral(rng, height, width, 2.8) * 1.4)
    warp = max(height, width) * 0.015 * spectral(rng, height, width, 3.2)
    pitch = rng.uniform(4.5, 11)
    paper, ink = random_palette(rng, 4)[[3, 0]]
    first = rng.uniform(0, np.pi)
    darkness = np.zeros((height, width), np.float32)
    for angle, starts in ((first, 0.08), (first + rng.uniform(0.7, 1.6), 0.5)):
        phase = (rows * np.sin(angle) + columns * np.cos(angle) + warp) / pitch
        distance = np.abs(phase - np.round(phase)) * 2
        reach = np.clip((1 - tone - starts) * 1.3, 0, 0.95)
        darkness = np.maximum(darkness, 1 / (1 + np.exp((distance - reach) * pitch * 2)))
    darkness *= 0.92 + 0.08 * unit(spectral(rng, height, width, 0.8))
    return np.asarray(paper + (ink - paper) * darkness[..., None], np.float32)


def marble(rng: np.random.Generator, height: int, width: int) -> Array:
    """Marbled paper: bands of colour dragged by turbulence, with thin dark veins."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    pull = rng.uniform(0.06, 0.25)
    rows = rows + pull * spectral(rng, height, width, 4.2)
    columns = columns + pull * spectral(rng, height, width, 4.2)
    angle = rng.uniform(0, np.pi)
    bands = rng.uniform(3, 9) * (rows * np.sin(angle) + columns * np.cos(angle))
    palette = random_palette(rng, 6)
    saw = np.abs(np.mod(bands, 2.0) - 1.0)
    steps = np.round(saw * 9) / 9 if rng.random() < 0.5 else saw
    vein = np.exp(-((np.mod(bands * 2, 1.0) - 0.5) ** 2) / 0.004)
    body = shade(palette, steps)
    return np.asarray(np.clip(body * (1 - 0.55 * vein[..., None]), 0, 1), np.float32)
