"""What is minimised: style and content terms, each a loss over additive sums at one tap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.losses import StyleLoss, content_loss
from farm.engine.moments import Moments, Sums, content_sums, style_sums
from farm.engine.tiling import Window


class Term(Protocol):
    """One summand of the objective."""

    @property
    def tap(self) -> str:
        """The tap whose features it reads."""
        ...

    @property
    def weight(self) -> float:
        """What its loss is multiplied by."""
        ...

    def sums(self, features: Tensor, window: Window) -> Sums:
        """Additive sums over ``(c, h, w)`` features that lie at ``window`` of the tap's map."""
        ...

    def loss(self, sums: Sums) -> Tensor:
        """The scalar loss of sums added up over the whole picture."""
        ...


@dataclass(frozen=True)
class StyleTerm:
    """The statistics at one tap, inside one mask, against one or several weighted styles."""

    tap: str
    weight: float
    targets: Sequence[tuple[float, Moments]]
    distance: StyleLoss
    mask: Tensor | None = None

    def sums(self, features: Tensor, window: Window) -> Sums:
        """``(count, Σ w f, Σ w f fᵀ)`` over the window."""
        return style_sums(features, None if self.mask is None else self.mask[window.slices])

    def loss(self, sums: Sums) -> Tensor:
        """The weighted mean of the distances to the styles."""
        found = Moments.of(sums)
        parts = [share * self.distance(found, target) for share, target in self.targets]
        return torch.stack(parts).sum()


@dataclass(frozen=True)
class ContentTerm:
    """Instance-normalised features at one tap against those of the content, ``(c, h, w)``."""

    tap: str
    weight: float
    target: Tensor = field(repr=False)

    def sums(self, features: Tensor, window: Window) -> Sums:
        """Per-channel sums of the picture's and the content's features over the window."""
        return content_sums(features, self.target[(slice(None), *window.slices)])

    def loss(self, sums: Sums) -> Tensor:
        """One minus the mean correlation."""
        return content_loss(sums)


@dataclass(frozen=True)
class Objective:
    """All terms, and the weight of total variation on the pixels."""

    terms: Sequence[Term]
    variation: float = 0.0

    @property
    def taps(self) -> frozenset[str]:
        """The taps that the terms read."""
        return frozenset(term.tap for term in self.terms)

    def sums(self, features: Mapping[str, Tensor], windows: Mapping[str, Window]) -> list[Sums]:
        """The sums of every term over features ``(1, c, h, w)`` that lie at ``windows``."""
        return [term.sums(features[term.tap][0], windows[term.tap]) for term in self.terms]

    def loss(self, sums: Sequence[Sums]) -> Tensor:
        """The weighted sum of the terms' losses, without total variation."""
        parts = [term.weight * term.loss(found) for term, found in zip(self.terms, sums, strict=True)]
        return torch.stack(parts).sum()


def mask_at(mask: Tensor, rows: int, columns: int) -> Tensor:
    """A ``(h, w)`` mask averaged down to a feature map's ``rows × columns``, which may be 0."""
    if not rows or not columns:
        return mask.new_zeros(rows, columns)
    return F.interpolate(mask[None, None], (rows, columns), mode="area")[0, 0]
