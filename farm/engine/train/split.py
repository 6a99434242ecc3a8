"""What training sees and what it never does, so that quality is measured on strangers' pictures only.

A generated picture is decided by its generator and its seed, so seeds are what is split. The styles of
the catalogue are trained on, as people try those first; none of them is used to measure.
"""

from __future__ import annotations

from farm.catalog import procedural
from farm.engine.train.data import Recipe

HELD_OUT_PHOTOGRAPHS = ("astronaut.png", "chelsea.png")
"""Contents that are measured on and never trained on, by the name of their file."""

HELD_OUT_SEEDS = range(900_000_000, 900_001_000)
"""Seeds of generated pictures that are measured on; training may take any other."""


def training_recipe(generator: str, number: int, side: int, seed: int) -> Recipe:
    """The ``number``-th picture of a generator that training with that seed sees.

    Raises:
        ValueError: its seed is held out.
    """
    found = seed + number
    if found in HELD_OUT_SEEDS:
        raise ValueError(f"seed {found} is held out; train with seeds outside of {HELD_OUT_SEEDS}")
    return Recipe(generator, found, side)


def held_out_styles(count: int, side: int) -> list[Recipe]:
    """The first ``count`` styles to measure on, from every style generator in turn."""
    names = procedural.STYLE_GENERATORS
    return [
        Recipe(names[index % len(names)], HELD_OUT_SEEDS[index // len(names)], side)
        for index in range(count)
    ]


def held_out_scenes(count: int, side: int) -> list[Recipe]:
    """The first ``count`` generated contents to measure on, beside the photographs."""
    return [Recipe("scene", HELD_OUT_SEEDS[index], side) for index in range(count)]
