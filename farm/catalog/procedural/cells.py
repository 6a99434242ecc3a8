"""Surfaces made of cells: stained glass, labyrinths, laid tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from farm.catalog.procedural.noise import band, spectral, unit
from farm.catalog.procedural.palette import random_palette, shade

Array = NDArray[np.float32]


def _two_nearest(rows: Array, columns: Array, sites: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Distance to the nearest and second nearest site for each pixel, and which is nearest."""
    nearest = np.full(rows.shape, np.inf, np.float32)
    second = nearest.copy()
    which = np.zeros(rows.shape, np.int64)
    for index, (row, column) in enumerate(sites):
        distance = np.hypot(rows - row, columns - column)
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        which[closer] = index
        nearest = np.where(closer, distance, nearest)
    return nearest, second, which


def glass(rng: np.random.Generator, height: int, width: int) -> Array:
    """Stained glass: Voronoi panes of streaky colour between dark lead."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    side = max(height, width) / rng.uniform(6, 16)
    wobble = side * rng.uniform(0.0, 0.5)
    rows = rows + wobble * spectral(rng, height, width, 3.0)
    columns = columns + wobble * spectral(rng, height, width, 3.0)
    count = int(np.clip(height * width / side**2, 8, 260))
    sites = rng.uniform([-side, -side], [height + side, width + side], (count, 2))
    nearest, second, which = _two_nearest(rows, columns, sites.astype(np.float32))
    palette = random_palette(rng, 6)
    panes = palette[rng.integers(0, len(palette), count)][which]
    streaks = spectral(rng, height, width, 2.4)[..., None]
    lit = panes * (0.82 + 0.14 * streaks) + 0.12 * np.exp(-((nearest / side) ** 2))[..., None]
    lead = 1 / (1 + np.exp(-(second - nearest - side * 0.09) / (side * 0.015)))
    picture = lit * lead[..., None] + 0.06 * (1 - lead[..., None])
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def maze(rng: np.random.Generator, height: int, width: int) -> Array:
    """A Turing labyrinth: band-limited noise pushed to two or three tones."""
    field = band(rng, height, width, rng.uniform(8, 40))
    field = field + 0.5 * spectral(rng, height, width, 3.0)
    tone = 1 / (1 + np.exp(-field * rng.uniform(3, 14)))
    palette = random_palette(rng, int(rng.integers(2, 4)))
    relief = np.gradient(tone, axis=0)[..., None] * rng.uniform(0, 1.2)
    return np.asarray(np.clip(shade(palette, tone) + relief, 0, 1), np.float32)


def tiles(rng: np.random.Generator, height: int, width: int) -> Array:
    """Laid bricks or mosaic: jittered courses with joints, each piece in its own tone."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    bend = max(height, width) * rng.uniform(0, 0.03)
    angle = rng.uniform(0, np.pi)
    rows, columns = (
        rows * np.cos(angle) - columns * np.sin(angle) + bend * spectral(rng, height, width, 3.0),
        rows * np.sin(angle) + columns * np.cos(angle) + bend * spectral(rng, height, width, 3.0),
    )
    course = max(height, width) / rng.uniform(8, 30)
    length = course * rng.choice([1.0, 1.0, 2.2, 3.0])
    row = np.floor(rows / course)
    shifted = columns / length + 0.5 * np.mod(row, 2)
    column = np.floor(shifted)
    piece = (np.mod(row * 7919 + column * 104729, 997)).astype(np.int64)
    across = np.abs(rows / course - row - 0.5) * course
    along = np.abs(shifted - column - 0.5) * length
    joint = np.minimum(course / 2 - across, length / 2 - along)
    inside = 1 / (1 + np.exp(-(joint - course * 0.07) / (course * 0.02)))
    palette = random_palette(rng, 5)
    tone = rng.uniform(0.2, 1.0, 997).astype(np.float32)[piece]
    grain = spectral(rng, height, width, 1.6)
    body = shade(palette, np.clip(tone + 0.12 * grain, 0, 1))
    mortar = palette[0] * (0.7 + 0.3 * unit(grain)[..., None])
    picture = body * inside[..., None] + mortar * (1 - inside[..., None])
    return np.asarray(np.clip(picture, 0, 1), np.float32)
