"""Painted surfaces: bristled strokes along a flow, and pointillist dots.

The stroke model follows A. Hertzmann, "Painterly Rendering with Curved Brush Strokes of Multiple
Sizes" (SIGGRAPH 1998), with a random flow and palette field in place of a photograph's gradients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from farm.catalog.procedural.noise import spectral, unit
from farm.catalog.procedural.palette import random_palette, shade

Array = NDArray[np.float32]
_SUPERSAMPLING = 2


def _ink(colour: Array) -> tuple[int, int, int]:
    red, green, blue = (np.clip(colour, 0, 1) * 255).astype(int)
    return int(red), int(green), int(blue)


def _flow(rng: np.random.Generator, height: int, width: int) -> Array:
    """A smooth direction field with a few vortices, in radians, ``(height, width)``."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, np.pi) + 0.7 * spectral(rng, height, width, 4.0)
    for _ in range(int(rng.integers(0, 5))):
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        reach = min(height, width) * rng.uniform(0.1, 0.3)
        around = np.arctan2(rows - row, columns - column) + np.pi / 2
        weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * reach**2))
        angle = angle * (1 - weight) + around * weight
    return np.asarray(angle, dtype=np.float32)


def _stroke(flow: Array, row: float, column: float, length: float, step: float) -> Array:
    """The points of one curved stroke as ``(n, 2)`` of (column, row)."""
    height, width = flow.shape
    points = [(column, row)]
    for _ in range(max(2, int(length / step))):
        direction = flow[int(np.clip(row, 0, height - 1)), int(np.clip(column, 0, width - 1))]
        column, row = column + step * np.cos(direction), row + step * np.sin(direction)
        points.append((column, row))
    return np.array(points, np.float32)


def _paint(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, path: Array, brush: float, colour: Array
) -> None:
    """One stroke as a bundle of bristles, each a little lighter or darker than the colour."""
    along = np.diff(path, axis=0, append=path[-1:])
    along[-1] = along[-2]
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-6
    bristles = int(np.clip(brush / 2.2, 3, 14))
    for offset in np.linspace(-0.5, 0.5, bristles):
        tone = colour * (1 + rng.normal(0, 0.10)) + 0.10 * (offset < -0.38) - 0.08 * (offset > 0.38)
        line = (path + across * offset * brush) * _SUPERSAMPLING
        thickness = max(1, round(_SUPERSAMPLING * brush / bristles * 1.5))
        draw.line([(float(x), float(y)) for x, y in line], fill=_ink(tone), width=thickness)


def _shrunk(canvas: Image.Image, height: int, width: int) -> Array:
    small = canvas.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / np.float32(255)


def strokes(rng: np.random.Generator, height: int, width: int) -> Array:
    """Oil paint: two or three passes of ever smaller bristled strokes along a flow field."""
    flow = _flow(rng, height, width)
    palette = random_palette(rng, int(rng.integers(4, 8)))
    tone = unit(1.3 * spectral(rng, height, width, 3.0) + 0.25 * spectral(rng, height, width, 1.5))
    ground = shade(palette, tone)
    canvas = Image.fromarray((ground * 200).astype(np.uint8)).resize(
        (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    )
    draw = ImageDraw.Draw(canvas)
    accents = random_palette(rng, 3)
    brush = min(max(height, width) * rng.uniform(0.03, 0.06), rng.uniform(14, 26))
    for _ in range(3):
        count = int(2.2 * height * width / (brush * brush * 4))
        places = rng.uniform([0, 0], [height, width], (count, 2))
        for row, column in places:
            here = ground[int(row), int(column)]
            colour = accents[rng.integers(0, 3)] if rng.random() < 0.05 else here
            path = _stroke(flow, row, column, brush * rng.uniform(2.5, 6), max(1.5, brush / 3))
            _paint(draw, rng, path, brush, colour + rng.normal(0, 0.035, 3).astype(np.float32))
        brush *= 0.62
    return _shrunk(canvas, height, width)


def dots(rng: np.random.Generator, height: int, width: int) -> Array:
    """Pointillism: jittered dots of divided colour on a toned ground."""
    palette = random_palette(rng, 7)
    tone = unit(1.3 * spectral(rng, height, width, 3.0))
    size = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    canvas = Image.new("RGB", size, _ink(palette[int(rng.integers(0, len(palette)))]))
    draw = ImageDraw.Draw(canvas)
    radius = rng.uniform(1.8, 5.0)
    count = int(1.6 * height * width / (np.pi * radius**2))
    places = rng.uniform([0, 0], [height, width], (count, 2))
    for row, column in places:
        value = tone[int(row), int(column)] + rng.normal(0, 0.12)
        colour = shade(palette, np.float32(value)) + rng.normal(0, 0.05, 3).astype(np.float32)
        reach = radius * rng.uniform(0.6, 1.2) * _SUPERSAMPLING
        x, y = column * _SUPERSAMPLING, row * _SUPERSAMPLING
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=_ink(colour))
    return _shrunk(canvas, height, width)
