"""Pictures made from nothing but a seed: the project's own styles and training material.

Every generator is a function ``(rng, height, width) -> picture`` where the picture is a float32
array of shape ``(height, width, 3)`` with sRGB-encoded values in [0, 1]. The same seed gives the
same picture, so a generated style needs no download and no licence but the project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from farm.catalog.procedural.cells import glass, maze, tiles
from farm.catalog.procedural.leaves import leaves, scene
from farm.catalog.procedural.lines import hatch, marble
from farm.catalog.procedural.noise import clouds, wash
from farm.catalog.procedural.strokes import dots, strokes

Picture = NDArray[np.float32]
Generator = Callable[[np.random.Generator, int, int], Picture]

GENERATORS: Mapping[str, Generator] = {
    "clouds": clouds,
    "dots": dots,
    "glass": glass,
    "hatch": hatch,
    "leaves": leaves,
    "marble": marble,
    "maze": maze,
    "scene": scene,
    "strokes": strokes,
    "tiles": tiles,
    "wash": wash,
}
"""Every generator by name; ``scene`` imitates a photograph, the others imitate media and surfaces."""

STYLE_GENERATORS = tuple(name for name in GENERATORS if name != "scene")


def picture(generator: str, seed: int, height: int, width: int) -> Picture:
    """The picture of one generator for one seed, ``(height, width, 3)`` float32 in [0, 1].

    Raises:
        KeyError: no generator has that name.
    """
    rng = np.random.default_rng([seed, *generator.encode()])
    return GENERATORS[generator](rng, height, width)


__all__ = ["GENERATORS", "STYLE_GENERATORS", "Generator", "Picture", "picture"]
