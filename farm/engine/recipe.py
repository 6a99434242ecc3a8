"""The recipes: which taps and weights go with which extractor, and what strength means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from torch import Tensor

from farm.engine.adam import AdamOptions
from farm.engine.lbfgs import LbfgsOptions
from farm.engine.taps import READINGS, RGB

OptimiserName = Literal["adam", "lbfgs"]
Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class Recipe:
    """What decides how the picture looks, apart from the pictures."""

    style_taps: tuple[str, ...]
    content_taps: tuple[str, ...]
    loss: str = "covariance"
    content: float = 1.0
    variation: float = 1.0
    rgb: float = 1.0
    optimiser: OptimiserName = "adam"
    adam: AdamOptions = field(default_factory=AdamOptions)
    lbfgs: LbfgsOptions = field(default_factory=LbfgsOptions)

    @property
    def shares(self) -> dict[str, float]:
        """The weight of each tap's statistics; colours count as much as all features."""
        return {RGB: self.rgb, **{tap: 1 / len(self.style_taps) for tap in self.style_taps}}

    @property
    def taps(self) -> frozenset[str]:
        """All taps that are read."""
        return frozenset((RGB, *self.style_taps, *self.content_taps))


RECIPES: dict[str, Recipe] = {
    "farm-texture": Recipe(
        style_taps=READINGS["farm-texture"].style,
        content_taps=READINGS["farm-texture"].content,
        content=0.5,
        variation=3.0,
    ),
    "vgg19": Recipe(
        style_taps=READINGS["vgg19"].style,
        content_taps=READINGS["vgg19"].content,
    ),
}


def recipe_for(extractor: str) -> Recipe:
    """The recipe of an extractor.

    Raises:
        KeyError: no recipe for that name.
    """
    return RECIPES[extractor]


def content_weight(strength: Number) -> Number:
    """Weight of the content loss at a style strength in [0, 1]: 8, 1 and 1/8 at 0, ½ and 1."""
    weight: Number = 8.0 ** (1 - 2 * strength)
    return weight


def strengthened(recipe: Recipe, strength: float) -> Recipe:
    """The recipe at a style strength in [0, 1]."""
    return replace(recipe, content=recipe.content * content_weight(strength))
