"""Colours moved between pictures: by their statistics, or pixel by pixel under a new lightness."""

from __future__ import annotations

import torch
from torch import Tensor

from farm.engine.oklab import oklab, srgb


def colour_statistics(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(n, 3)`` and covariance ``(n, 3, 3)`` of the colours of ``(n, 3, h, w)``."""
    flat = picture.float().flatten(2)
    mean = flat.mean(2)
    centred = flat - mean[..., None]
    return mean, centred @ centred.mT / flat.shape[2]


def match_colours(picture: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """``(n, 3, h, w)`` with the mean ``(n, 3)`` and covariance ``(n, 3, 3)`` given, unclipped.

    The Monge-Kantorovitch map between Gaussians, the one that moves colours least
    (Pitié and Kokaram, "The linear Monge-Kantorovitch linear colour mapping", 2007). Where the
    picture hardly varies its variance is taken as 0.001, so that noise is not blown up.
    """
    found, spread = colour_statistics(picture)
    root = _power(spread + 1e-3 * torch.eye(3, device=picture.device), 0.5)
    inverse = _power(spread + 1e-3 * torch.eye(3, device=picture.device), -0.5)
    map_ = inverse @ _power(root @ covariance @ root, 0.5) @ inverse
    flat = picture.float().flatten(2) - found[..., None]
    return (map_ @ flat + mean[..., None]).reshape(picture.shape)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    power: Tensor = (vectors * values.clamp_min(1e-8).pow(exponent)[..., None, :]) @ vectors.mT
    return power


def palette_share(strength: float) -> float:
    """How far colours move to the style's at a style strength in [0, 1]: wholly from ½ on."""
    return min(1.0, 2 * strength)


def tint(content: Tensor, mean: Tensor, covariance: Tensor, strength: float) -> Tensor:
    """The content with its colours moved towards those statistics as far as the strength says."""
    matched = match_colours(content, mean, covariance)
    return torch.lerp(content.float(), matched, palette_share(strength)).clamp(0, 1)


def toned(style: Tensor, mean: Tensor, covariance: Tensor, strength: float) -> Tensor:
    """The style with its colours moved towards a content's statistics as far as that one stays.

    ``tint`` and this meet: maps of least movement between Gaussians are interpolated by the same
    Gaussians from either side (McCann, "A convexity principle for interacting gases", 1997).
    """
    share = palette_share(strength)
    if share == 1:
        return style
    return torch.lerp(match_colours(style, mean, covariance), style.float(), share).clamp(0, 1)


def keep_colour(stylised: Tensor, content: Tensor) -> Tensor:
    """The lightness of ``stylised`` with the colours of ``content``; both ``(n, 3, h, w)`` in [0, 1].

    Luminance transfer (Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic
    Style Transfer", 2016), but in Oklab, whose a and b look alike at every lightness, where the paper
    has YIQ of encoded values.
    """
    return srgb(torch.cat([oklab(stylised)[:, :1], oklab(content)[:, 1:]], 1))
