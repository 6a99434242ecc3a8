"""Pictures made of overlapping things: dead leaves, and shaded scenes that stand in for photographs.

The dead-leaves model (Matheron 1968; Lee, Mumford and Huang 2001) reproduces the edges and the
scale invariance of natural pictures, which makes it good material to learn features from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from farm.catalog.procedural.noise import spectral, unit
from farm.catalog.procedural.palette import random_palette, shade

Array = NDArray[np.float32]


def _outline(rng: np.random.Generator, row: float, column: float, radius: float) -> Array:
    """A closed blob, box or leaf around a centre as ``(n, 2)`` of (column, row)."""
    corners = int(rng.choice([3, 4, 4, 6, 24, 24]))
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, np.pi)
    ripple = 1 + rng.uniform(0, 0.25) * np.sin(rng.integers(2, 6) * turn + rng.uniform(0, 6))
    squeeze = rng.uniform(0.35, 1.0)
    lean = rng.uniform(0, np.pi)
    x, y = np.cos(turn) * ripple, np.sin(turn) * ripple * squeeze
    return np.stack(
        [
            column + radius * (x * np.cos(lean) - y * np.sin(lean)),
            row + radius * (x * np.sin(lean) + y * np.cos(lean)),
        ],
        1,
    )


def leaves(rng: np.random.Generator, height: int, width: int) -> Array:
    """Dead leaves: opaque shapes with power-law radii, each in a palette colour."""
    palette = random_palette(rng, 8)
    canvas = Image.new("RGB", (width * 2, height * 2))
    draw = ImageDraw.Draw(canvas)
    largest = max(height, width) * rng.uniform(0.06, 0.3)
    count = int(np.clip(9 * height * width / largest**2, 150, 2200))
    edge = rng.random() < 0.4
    for _ in range(count):
        radius = max(2.0, largest * rng.uniform(0.02, 1.0) ** 2)
        path = _outline(rng, rng.uniform(0, height), rng.uniform(0, width), radius) * 2
        colour = palette[rng.integers(0, 8)] + rng.normal(0, 0.04, 3)
        ink = tuple(int(v) for v in np.clip(colour, 0, 1) * 255)
        points = [(float(x), float(y)) for x, y in path]
        draw.polygon(points, fill=ink, outline=tuple(v // 2 for v in ink) if edge else None)
    picture = np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS), np.float32) / 255
    return np.clip(picture + 0.03 * spectral(rng, height, width, 1.5)[..., None], 0, 1)


def scene(rng: np.random.Generator, height: int, width: int) -> Array:
    """A lit still life: textured ground and sky, shaded bodies and their shadows."""
    rows = np.mgrid[0:height, 0:width][0].astype(np.float32)
    horizon = rng.uniform(0.3, 0.8) * height
    sky, ground = random_palette(rng, 4), random_palette(rng, 4)
    above = shade(sky, 1 - rows / height + 0.15 * spectral(rng, height, width, 3.0))
    below = shade(ground, unit(spectral(rng, height, width, rng.uniform(1.2, 2.6))))
    below = below * (0.6 + 0.4 * (rows / height)[..., None])
    edge = 1 / (1 + np.exp(np.minimum((horizon - rows) / 1.5, 80)))[..., None]
    picture = above * (1 - edge) + below * edge
    lit_from = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(4, 12))):
        radius = min(height, width) * rng.uniform(0.06, 0.3)
        row, column = rng.uniform(0.15, 0.95) * height, rng.uniform(0, width)
        path = _outline(rng, row, column, radius)
        picture = _place(rng, picture, path, (row, column, radius), lit_from)
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _place(
    rng: np.random.Generator,
    picture: Array,
    path: Array,
    body: tuple[float, float, float],
    lit_from: float,
) -> Array:
    """The picture with one shaded, textured body in it and the shadow it casts."""
    height, width = picture.shape[:2]
    row, column, radius = body
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)

    def coverage(shift: float) -> Array:
        mask = Image.new("L", (width, height))
        points = [(float(x + shift), float(y + abs(shift))) for x, y in path]
        ImageDraw.Draw(mask).polygon(points, fill=255)
        return np.asarray(mask, np.float32)[..., None] / np.float32(255)

    shadow = coverage(-np.cos(lit_from) * radius * 0.25)
    picture = picture * (1 - 0.35 * shadow)
    facing = (columns - column) * np.cos(lit_from) + (rows - row) * np.sin(lit_from)
    light = np.clip(0.55 + 0.45 * facing / radius, 0.15, 1.1)[..., None]
    skin = spectral(rng, height, width, rng.uniform(1.0, 3.0)) * rng.uniform(0.05, 0.5)
    colour = shade(random_palette(rng, 4), 0.5 + 0.25 * skin) * light
    mask = coverage(0.0)
    placed: Array = picture * (1 - mask) + colour * mask
    return placed
