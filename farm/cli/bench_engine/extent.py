"""How large, how often and how long: the numbers that make a benchmark thorough or quick."""

from __future__ import annotations

from dataclasses import dataclass

from farm.engine.measure.pace import Effort


@dataclass(frozen=True)
class Extent:
    """Sides are of square pictures, in pixels.

    Args:
        sides: of the extractors that prints use; ``shape_sides`` of VGG-19's shape.
        most_iterations: of a scale where finished pictures are compared; None: as in the preset.
        memory_sides: of two prints, between which memory grows.
    """

    sides: tuple[int, ...]
    shape_sides: tuple[int, ...]
    effort: Effort
    error_size: tuple[int, int] = (160, 200)
    error_tile: int = 64
    layout_side: int = 512
    layout_iterations: int = 40
    ranks_side: int = 2048
    ranks_repeats: int = 3
    memory_sides: tuple[int, int] = (2000, 8000)
    memory_tile: int = 512
    pairs: int = 6
    pair_side: int = 256
    most_iterations: int | None = None
    race_side: int = 384
    race_iterations: int = 300
    checkpoint_side: int = 2048
    curve_side: int = 512
    curve_every: int = 16


FULL = Extent(sides=(256, 512, 1024), shape_sides=(512, 1024), effort=Effort(5, 3.0))
QUICK = Extent(
    sides=(128, 256), shape_sides=(128,), effort=Effort(2, 0.2), error_size=(64, 64), error_tile=48,
    layout_iterations=2, ranks_side=256, memory_sides=(1000, 2000), pairs=2,
    pair_side=96, most_iterations=12, race_side=64, race_iterations=20, checkpoint_side=512,
    curve_side=96,
)  # fmt: skip
"""Shows that everything works; its figures say little about a print."""
