"""What feed-forward nets are trained against: a print's kind of objective, for a batch of pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from farm.engine.extractor import RGB, Extractor
from farm.engine.recipe import content_weight
from farm.engine.style_code import CODE_TAPS, StyleCode, feature_statistics

CONTENT_TAP, CONTENT_WEIGHT, VARIATION_WEIGHT = "conv3_2", 0.7, 2.0
"""The content term, and what keeps the result smooth; a little firmer than a print's."""


def picture_losses(
    extractor: Extractor, stylised: Tensor, content: Tensor, code: StyleCode, strength: Tensor
) -> Tensor:
    """A print's kind of objective for ``n`` pictures at once, ``(n,)``.

    Distances are over the target's energy plus a tenth of the picture's own, which bounds what a
    nearly flat style can ask for; a print needs no such bound, it has one style.
    """
    taps = {*CODE_TAPS, CONTENT_TAP, RGB}
    found = extractor(stylised, taps)
    with torch.no_grad():
        wanted = extractor(content, (CONTENT_TAP,))[CONTENT_TAP]
    total = torch.zeros(len(stylised), device=stylised.device)
    targets = dict(zip(CODE_TAPS, zip(code.means, code.covariances, strict=True), strict=True))
    for tap in CODE_TAPS:
        mean, covariance = feature_statistics(found[tap])
        total = total + _distance(mean, covariance, *targets[tap]) / len(CODE_TAPS)
    mean, covariance = feature_statistics(stylised)
    total = total + _distance(mean, covariance, code.colour_mean, code.colour_covariance)
    unlike = _unlikeness(found[CONTENT_TAP], wanted)
    total = total + CONTENT_WEIGHT * content_weight(strength) * unlike
    beyond = (stylised - stylised.clamp(0, 1)).square().mean((1, 2, 3))
    down, across = (stylised.diff(dim=dim).square().mean((1, 2, 3)) for dim in (2, 3))
    return total + 50 * beyond + 3 * VARIATION_WEIGHT * (down + across)


def _distance(mean: Tensor, covariance: Tensor, wanted: Tensor, target: Tensor) -> Tensor:
    parts = []
    for found, goal in ((mean, wanted), (covariance.flatten(1), target.flatten(1))):
        energy = goal.square().sum(1) + 0.1 * found.detach().square().sum(1) + 1e-6
        parts.append((found - goal).square().sum(1) / energy)
    return parts[0] + parts[1]


def _unlikeness(found: Tensor, wanted: Tensor) -> Tensor:
    """One minus the correlation of channels, weighted by their deviation in the content."""
    a, b = found.float().flatten(2), wanted.float().flatten(2)
    a, b = a - a.mean(2, keepdim=True), b - b.mean(2, keepdim=True)
    deviation = b.square().mean(2).sqrt()
    scale = ((a.square().mean(2) + 1e-4) * (b.square().mean(2) + 1e-4)).sqrt()
    correlation = (a * b).mean(2) / scale
    return (deviation * (1 - correlation)).sum(1) / (deviation.sum(1) + 1e-8)
