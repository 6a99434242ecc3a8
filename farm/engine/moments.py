"""Additive spatial sums of features, and what style losses need from them.

Everything here is a sum over positions, so it can be taken tile by tile or device by device and
added; that is what makes the tiled gradient exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Sums = tuple[Tensor, ...]
"""Additive sums of one term, each of fixed shape whatever the window."""


def accumulator(features: Tensor) -> Tensor:
    """Features in the precision that sums are taken in: float32, or float64 where given."""
    return features if features.dtype == torch.float64 else features.float()


def style_sums(features: Tensor, weight: Tensor | None = None) -> Sums:
    """``(count, Σ w f, Σ w f fᵀ)`` of ``(c, h, w)`` features: shapes ``()``, ``(c,)``, ``(c, c)``.

    ``weight`` is a ``(h, w)`` mask, 1 everywhere if absent.
    """
    flat = accumulator(features).flatten(1)
    if weight is None:
        count = flat.new_tensor(float(flat.shape[1]))
        return count, flat.sum(1), flat @ flat.T
    mask = weight.to(flat.dtype).flatten()
    weighted = flat * mask
    return mask.sum(), weighted.sum(1), weighted @ flat.T


@dataclass(frozen=True)
class Moments:
    """Mean ``(c,)`` and second raw moment per position ``(c, c)`` of features."""

    mean: Tensor
    second: Tensor

    @classmethod
    def of(cls, sums: Sums) -> Moments:
        """The moments of sums that were added up over the whole picture."""
        count, first, second = sums
        count = count.clamp_min(1e-6)
        return cls(first / count, second / count)

    @property
    def covariance(self) -> Tensor:
        """``E[f fᵀ] − E[f] E[f]ᵀ``, ``(c, c)``."""
        return self.second - torch.outer(self.mean, self.mean)


def content_sums(features: Tensor, target: Tensor) -> Sums:
    """``(count, Σg, Σg², Σgc, Σc, Σc²)`` per channel of ``(c, h, w)`` features and their target."""
    picture = accumulator(features).flatten(1)
    wanted = target.to(picture.dtype).flatten(1)
    count = picture.new_tensor(float(picture.shape[1]))
    return (
        count,
        picture.sum(1),
        (picture * picture).sum(1),
        (picture * wanted).sum(1),
        wanted.sum(1),
        (wanted * wanted).sum(1),
    )
