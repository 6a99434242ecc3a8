"""Several styles in one preview: by weight, and each where its mask says, as in a print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.colour_match import tint
from farm.engine.preview_net import PreviewNet
from farm.engine.style_code import StyleCode
from farm.engine.styles import Style

_LEAST = 1e-4
"""Shares that add up to less count as no style."""


@dataclass(frozen=True)
class Blend:
    """What a preview net is given for a blend.

    ``content`` ``(1, 3, h, w)`` is tinted. Without masks ``modulation`` is ``(1, m)``; with them it is
    ``(1, s, m)`` and there are ``shares`` ``(1, s, h, w)``. ``cover`` ``(1, 1, h, w)`` says how much of
    any style there is; None for all.
    """

    content: Tensor
    modulation: Tensor
    shares: Tensor | None = None
    cover: Tensor | None = None

    def over(self, painted: Tensor) -> Tensor:
        """The painted picture where there are styles, and elsewhere the content in its new palette."""
        return painted if self.cover is None else torch.lerp(self.content, painted, self.cover)


@dataclass(frozen=True)
class _Group:
    """Styles that share one mask, as one style."""

    weight: float
    mean: Tensor
    covariance: Tensor
    modulation: Tensor
    mask: Tensor | None


def blend(
    net: PreviewNet,
    content: Tensor,
    styles: Sequence[Style],
    codes: Sequence[StyleCode],
    strength: float,
) -> Blend:
    """Weigh, place and tint; ``content`` ``(1, 3, h, w)``, ``codes`` of one style each.

    Styles without a mask are one group whose statistics and modulations are averaged by weight; each
    style with a mask is a group of its own, as in ``farm.engine.styles.style_terms``.
    """
    total = sum(style.weight for style in styles)
    strengths = torch.tensor([strength], device=content.device)
    alone = [
        _Group(
            style.weight / total, code.colour_mean, code.colour_covariance,
            net.modulation(code, strengths), style.mask,
        )
        for style, code in zip(styles, codes, strict=True)
    ]  # fmt: skip
    whole = _merged(alone)
    everywhere = tint(content, whole.mean, whole.covariance, strength)
    free = [one for one in alone if one.mask is None]
    if len(free) == len(alone):
        return Blend(everywhere, whole.modulation)
    groups = [one for one in alone if one.mask is not None] + ([_merged(free)] if free else [])
    shares, cover = _shares(groups, content)
    tinted = everywhere * (1 - shares.sum(1, keepdim=True))
    for index, group in enumerate(groups):
        coloured = tint(content, group.mean, group.covariance, strength)
        tinted = tinted + shares[:, index : index + 1] * coloured
    modulation = torch.stack([group.modulation for group in groups], 1)
    return Blend(tinted.clamp(0, 1), modulation, shares, None if free else cover)


def _merged(groups: Sequence[_Group]) -> _Group:
    """The weighted mean of all, everywhere."""
    total = sum(group.weight for group in groups)
    parts = [(group.weight / total, group) for group in groups]
    mean = torch.stack([share * group.mean for share, group in parts]).sum(0)
    covariance = torch.stack([share * group.covariance for share, group in parts]).sum(0)
    modulation = torch.stack([share * group.modulation for share, group in parts]).sum(0)
    return _Group(total, mean, covariance, modulation, None)


def _shares(groups: Sequence[_Group], content: Tensor) -> tuple[Tensor, Tensor]:
    """Per pixel each group's share ``(1, s, h, w)``, 1 in all where there is any, and the cover."""
    masks = [_fitted(group.mask, content) for group in groups]
    weights = [group.weight * mask for group, mask in zip(groups, masks, strict=True)]
    weighed, cover = torch.cat(weights, 1), torch.cat(masks, 1).sum(1, keepdim=True).clamp(0, 1)
    total = weighed.sum(1, keepdim=True)
    found = torch.where(total > _LEAST, weighed / total.clamp_min(_LEAST), 0.0)
    return found, cover


def _fitted(mask: Tensor | None, content: Tensor) -> Tensor:
    """A ``(h, w)`` mask at the content's size, ``(1, 1, h, w)``; ones for none."""
    if mask is None:
        return torch.ones_like(content[:, :1])
    seen = mask.to(content)[None, None]
    return F.interpolate(seen, content.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)
