"""Styles as the optimiser sees them, the palette all pictures share, and the statistics asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from farm.engine.colour_match import colour_statistics, match_colours, tint, toned
from farm.engine.extractor import RGB
from farm.engine.frame import Frame
from farm.engine.gradient import Evaluator
from farm.engine.losses import STYLE_LOSSES
from farm.engine.moments import Moments
from farm.engine.objective import Objective, StyleTerm
from farm.engine.oklab import grey
from farm.engine.resample import resample

Colour = Literal["style", "content", "statistics"]
"""Whose colours the picture has."""

Targets = list[dict[str, Moments]]
"""Per style, its moments by tap."""


@dataclass(frozen=True)
class Style:
    """A style picture ``(1, 3, h, w)`` in [0, 1], its share, and where on the content it goes.

    ``mask`` is ``(h, w)`` in [0, 1], of any size and stretched over the content; None for everywhere.
    ``scale`` is the size of the style's features: 2 makes strokes twice as large.
    """

    picture: Tensor
    weight: float = 1.0
    mask: Tensor | None = None
    scale: float = 1.0


def harmonise(
    content: Tensor, styles: Sequence[Style], strength: float, colour: Colour
) -> tuple[Tensor, list[Style]]:
    """Content and styles in one palette: the styles', the content's (``statistics``), or greys alone.

    Gradients move textures readily but colours slowly, and a patch that starts in a wrong colour tends
    to stay in it, so the palette is settled in closed form before the first iteration. Where the
    content's colours will be laid over the result (``content``), only lightness is worth painting.
    """
    if colour == "content":
        content = grey(content)
        styles = [replace(style, picture=grey(style.picture)) for style in styles]
    if colour != "style":
        mean, covariance = colour_statistics(content)
        matched = [match_colours(style.picture, mean, covariance).clamp(0, 1) for style in styles]
        return content, [
            replace(style, picture=picture) for style, picture in zip(styles, matched, strict=True)
        ]
    total = sum(style.weight for style in styles)
    found = [(style.weight / total, colour_statistics(style.picture)) for style in styles]
    mean = torch.stack([share * one for share, (one, _) in found]).sum(0)
    covariance = torch.stack([share * one for share, (_, one) in found]).sum(0)
    own = colour_statistics(content)
    near = [replace(style, picture=toned(style.picture, *own, strength)) for style in styles]
    return tint(content, mean, covariance, strength), near


def style_terms(
    styles: Sequence[Style], targets: Targets, masks: Sequence[Tensor | None], loss: str,
    shares: dict[str, float],
) -> list[StyleTerm]:  # fmt: skip
    """A term per tap and mask; styles without a mask share one, weighted.

    Args:
        masks: the styles' masks at the picture's size, ``(h, w)``.
        shares: weight of each tap.
    """
    total = sum(style.weight for style in styles)
    groups: dict[int | None, list[int]] = {}
    for index, mask in enumerate(masks):
        groups.setdefault(None if mask is None else index, []).append(index)
    terms = []
    for key, members in groups.items():
        for tap, share in shares.items():
            chosen = [(styles[i].weight / total, targets[i][tap]) for i in members]
            mask = None if key is None else masks[key]
            terms.append(StyleTerm(tap, share, chosen, STYLE_LOSSES[loss], mask))
    return terms


def style_moments(
    style: Style, evaluator: Evaluator, taps: Sequence[str], canvas: int
) -> dict[str, Moments]:
    """The style's moments at each tap, seen at the size it has on a canvas of that long edge.

    A style is never enlarged: that would only teach the picture to be blurred.
    """
    height, width = style.picture.shape[-2:]
    share = min(1.0, canvas * style.scale / max(height, width))
    rows, columns = max(32, round(height * share)), max(32, round(width * share))
    small = resample(style.picture, rows, columns).clamp(0, 1)
    terms = [StyleTerm(tap, 1.0, (), STYLE_LOSSES["gram"]) for tap in (RGB, *taps)]
    found = evaluator.sums(small, Objective(Frame(rows, columns), terms))
    return {term.tap: Moments.of(sums) for term, sums in zip(terms, found, strict=True)}
