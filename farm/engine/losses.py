"""Style and content losses as functions of moments alone.

Every loss is divided by its target's own energy, so that layers of any width and scale weigh alike
and need no hand-set weights; random and small nets give mud without it (He, Wang and Hopcroft 2016).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from farm.engine.moments import Moments, Sums

StyleLoss = Callable[[Moments, Moments], Tensor]
_EPSILON = 1e-8
FLATNESS = 0.01
"""Share of the squared mean below which a style's covariance counts as flat."""


def gram_loss(found: Moments, target: Moments) -> Tensor:
    """``‖G − G*‖² / ‖G*‖²`` with ``G = E[f fᵀ]``.

    Gatys, Ecker and Bethge (2016), but normalised by the target's energy, not by layer size.
    """
    return _relative(found.second, target.second)


def covariance_loss(found: Moments, target: Moments) -> Tensor:
    """``‖Σ − Σ*‖² / (‖Σ*‖² + (0.01 ‖μ*‖²)²) + ‖μ − μ*‖² / ‖μ*‖²``: mean and covariance apart.

    The Gram matrix mixes the two, which lets a bright flat patch pass for texture
    (Galerne et al., "Scaling Painting Style Transfer", 2024). The second part of the first
    denominator keeps a style of nearly one colour, whose Σ* is nothing, from drowning all else.
    """
    floor = (FLATNESS * target.mean.square().sum()).square()
    return _relative(found.covariance, target.covariance, floor) + _relative(found.mean, target.mean)


def wasserstein_loss(found: Moments, target: Moments) -> Tensor:
    """Squared Wasserstein-2 distance of the two Gaussians over the target's energy ``tr Σ* + ‖μ*‖²``.

    ``‖μ − μ*‖² + tr(Σ + Σ* − 2 (Σ*^½ Σ Σ*^½)^½)`` (Olkin and Pukelsheim 1982), as
    in style-transfer-pytorch, but with an eigendecomposition in place of Newton-Schulz.
    """
    root = _root(target.covariance)
    crossed = root @ found.covariance @ root
    values: Tensor = torch.linalg.eigvalsh((crossed + crossed.T) / 2)
    trace = found.covariance.diagonal().sum() + target.covariance.diagonal().sum()
    energy = target.covariance.diagonal().sum() + target.mean.square().sum() + _EPSILON
    floor = values.detach().amax() * 1e-6 + _EPSILON  # keeps √'s slope finite at rank deficiency
    spread = trace - 2 * values.clamp_min(floor).sqrt().sum()
    return ((found.mean - target.mean).square().sum() + spread) / energy


def content_loss(sums: Sums) -> Tensor:
    """``1 − mean over channels of corr(g, c)``: distance of instance-normalised features, halved.

    Comparing normalised features leaves a style free to change a channel's level and contrast.
    Channels that are silent in the content count for nothing, nor does a map without positions,
    which a picture narrower than the tap's stride has.
    """
    count, g, gg, gc, c, cc = sums
    count = count.clamp_min(1)
    covariance = gc / count - (g / count) * (c / count)
    variance_g = gg / count - (g / count).square()
    variance_c = cc / count - (c / count).square()
    weight = variance_c.clamp_min(0).sqrt().detach()
    scale = ((variance_g.clamp_min(0) + 1e-4) * (variance_c.clamp_min(0) + 1e-4)).sqrt()
    return (weight * (1 - covariance / scale)).sum() / (weight.sum() + _EPSILON)


def total_variation(picture: Tensor) -> Tensor:
    """Mean squared difference of 4-neighbours of ``(1, 3, h, w)``; 0 for a flat picture."""
    down = (picture[..., 1:, :] - picture[..., :-1, :]).square()
    across = (picture[..., :, 1:] - picture[..., :, :-1]).square()
    return (down.sum() + across.sum()) / picture[0, 0].numel()


def _relative(found: Tensor, target: Tensor, floor: Tensor | float = 0.0) -> Tensor:
    return (found - target).square().sum() / (target.square().sum() + floor + _EPSILON)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root


STYLE_LOSSES: dict[str, StyleLoss] = {
    "covariance": covariance_loss,
    "gram": gram_loss,
    "wasserstein": wasserstein_loss,
}
