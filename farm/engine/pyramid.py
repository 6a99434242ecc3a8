"""Which sizes a print goes through, and how many iterations each gets. Numbers only.

Sizes grow by √2 (style-transfer-pytorch). Large shapes are settled where pixels are few;
later scales only add detail, so their iterations fall with the pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """One size of the pyramid and the iterations spent on it."""

    width: int
    height: int
    iterations: int

    @property
    def pixels(self) -> int:
        """Pixels of one picture at this scale."""
        return self.width * self.height


@dataclass(frozen=True)
class Preset:
    """How much work a print gets.

    Iterations at a scale are ``first · (pixels at start / pixels)^decay``, never under ``least``;
    ``start`` is the long edge, in pixels, that the smallest scale is near to.
    """

    start: int
    first: int
    decay: float
    least: int


PRESETS: dict[str, Preset] = {
    "draft": Preset(start=224, first=100, decay=0.45, least=16),
    "standard": Preset(start=224, first=200, decay=0.4, least=32),
    "fine": Preset(start=224, first=400, decay=0.33, least=80),
}


def plan_scales(width: int, height: int, preset: str) -> tuple[Scale, ...]:
    """Scales from small to the full ``width × height``, each √2 larger than the one before.

    Raises:
        KeyError: no preset has that name.
    """
    recipe = PRESETS[preset]
    long = max(width, height)
    reference = recipe.start**2 * min(width, height) / long
    steps = max(0, round(math.log(max(1.0, long / recipe.start)) / math.log(math.sqrt(2))))
    scales: list[Scale] = []
    for index in range(steps + 1):
        share = math.sqrt(2) ** (index - steps)
        across, down = max(1, round(width * share)), max(1, round(height * share))
        share_of_first = (reference / (across * down)) ** recipe.decay
        iterations = max(recipe.least, round(recipe.first * min(1.2, share_of_first)))
        scales.append(Scale(across, down, iterations))
    return tuple(scales)


def work(scales: tuple[Scale, ...]) -> float:
    """Megapixel-iterations of a whole pyramid."""
    return sum(scale.pixels * scale.iterations for scale in scales) / 1e6
