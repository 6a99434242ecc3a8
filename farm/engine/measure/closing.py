"""How much of the way from a picture to its print's optimum a preview goes, in the print's own loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from farm.engine.evaluation import Scene
from farm.engine.extractor import Extractor
from farm.engine.gradient import Evaluator
from farm.engine.measure.likeness import rank_correlation, ssim
from farm.engine.mesh import Alone
from farm.engine.optimise import optimise
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe, strengthened
from farm.engine.styles import Style, harmonise

ITERATIONS = 200
"""Of the optimum: what a print's first scale gets."""

Paint = Callable[[Tensor, Tensor, float], Tensor]
"""From content and style, both ``(1, 3, h, w)`` in [0, 1], and strength to a picture of that shape."""


@dataclass(frozen=True)
class Subject:
    """A picture ``(1, 3, h, w)`` with its name."""

    name: str
    picture: Tensor


@dataclass(frozen=True)
class Trial:
    """One content in one style. Losses are the print's; the likenesses are to the content.

    ``palette`` is the loss of the content in the style's colours, which costs no net at all.
    """

    content: str
    style: str
    start: float
    palette: float
    optimum: float
    optimum_ssim: float
    previews: Mapping[str, float]
    ssims: Mapping[str, float]
    pictures: Mapping[str, Tensor] = field(repr=False)

    def closed(self, preview: str) -> float:
        """Share of the way from the content to the optimum; above 1 beyond it."""
        return (self.start - self.previews[preview]) / (self.start - self.optimum)

    def beyond_palette(self, preview: str) -> float:
        """Share of the way from the content in the style's colours: what is the net's own work."""
        return (self.palette - self.previews[preview]) / (self.palette - self.optimum)


def trials(
    contents: Sequence[Subject], styles: Sequence[Subject], paints: Mapping[str, Paint],
    extractor: Extractor, recipe: Recipe, *, strength: float = 0.5, iterations: int = ITERATIONS,
) -> Iterator[Trial]:  # fmt: skip
    """Every content in every style, by every way to paint."""
    evaluator = Evaluator(extractor)
    for content in contents:
        for style in styles:
            yield _trial(
                content, style, paints, evaluator, strengthened(recipe, strength), strength, iterations
            )


def _trial(
    content: Subject, style: Subject, paints: Mapping[str, Paint], evaluator: Evaluator,
    recipe: Recipe, strength: float, iterations: int,
) -> Trial:  # fmt: skip
    start, near = harmonise(content.picture, [Style(style.picture)], strength, "style")
    height, width = start.shape[-2:]
    scale = Scale(width, height, iterations)
    scene = Scene(start, near, evaluator, recipe, scale, Alone(start.device), [1.0])

    def loss(picture: Tensor) -> float:
        return float(evaluator(picture, scene.objectives[0]).loss)

    (last,) = deque(optimise(start, near, evaluator, recipe, (scale,)), maxlen=1)
    optimum = last.picture
    painted = {name: paint(content.picture, style.picture, strength) for name, paint in paints.items()}
    return Trial(
        content.name, style.name, loss(content.picture), loss(start), loss(optimum),
        ssim(optimum, content.picture),
        {name: loss(picture) for name, picture in painted.items()},
        {name: ssim(picture, content.picture) for name, picture in painted.items()},
        {"content": content.picture, "style": style.picture, **painted, "optimum": optimum},
    )  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """What trials say of one way to paint. Likenesses are medians; ``rank`` is the mean over contents
    of the rank correlation of previews' and optima's losses over the styles, and NaN for one style.
    """

    closed: float
    worst_decile: float
    beyond_palette: float
    ssim: float
    optimum_ssim: float
    rank: float
    trials: int


def quality(found: Sequence[Trial], preview: str) -> Quality:
    """The summary of trials of one way to paint."""
    closed = [trial.closed(preview) for trial in found]
    ranks = []
    for content in {trial.content: None for trial in found}:
        row = [trial for trial in found if trial.content == content]
        if len(row) > 1:
            losses = [trial.previews[preview] for trial in row]
            ranks.append(rank_correlation(losses, [trial.optimum for trial in row]))
    return Quality(
        closed=float(np.median(closed)),
        worst_decile=float(np.quantile(closed, 0.1)),
        beyond_palette=float(np.median([trial.beyond_palette(preview) for trial in found])),
        ssim=float(np.median([trial.ssims[preview] for trial in found])),
        optimum_ssim=float(np.median([trial.optimum_ssim for trial in found])),
        rank=float(np.mean(ranks)) if ranks else float("nan"),
        trials=len(found),
    )
