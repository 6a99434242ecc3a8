"""The body of every preview net: a picture in, a picture out, steered by scales and shifts.

A small residual net at 1/8 resolution whose normalised features are scaled and shifted per
style (Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", 2017; Dumoulin et al. 2017). Sizes grow by interpolation and convolution, never by a
pixel shuffle, whose sub-pixel phases show as a checkerboard (Odena, Dumoulin and Olah 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EDGE = 16
"""Pixels of reflection around the picture while it passes, so that borders look like the rest."""


class Painter(nn.Module):
    """Repaints pictures of any size in one pass; what it paints is decided by a modulation.

    Args:
        widths: channels at 1/2, 1/4 and 1/8 resolution.
        blocks: residual blocks at 1/8 resolution.
    """

    def __init__(self, widths: tuple[int, int, int], blocks: int) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.modulated = (
            quarter, eighth, *([eighth] * (2 * blocks)), quarter, quarter, half, half, half,
        )  # fmt: skip
        self.stem = nn.Conv2d(48, quarter, 3, padding=1)
        self.down = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            [nn.Conv2d(eighth, eighth, 3, padding=1) for _ in range(2 * blocks)]
        )
        self.up_quarter = nn.Conv2d(eighth, quarter, 3, padding=1)
        self.join = nn.Conv2d(2 * quarter, quarter, 3, padding=1)
        self.up_half = nn.Conv2d(quarter, half, 3, padding=1)
        self.refine = nn.Conv2d(half + 12, half, 3, padding=1)
        self.detail = nn.Conv2d(half, half, 3, padding=1)
        self.out = nn.Conv2d(half + 3, 16, 3, padding=1)
        self.colour = nn.Conv2d(16, 3, 3, padding=1)
        nn.init.normal_(self.colour.weight, std=0.08)

    @property
    def modulation_size(self) -> int:
        """Numbers in one style's modulation."""
        return 2 * sum(self.modulated)

    def forward(self, content: Tensor, modulation: Tensor, shares: Tensor | None = None) -> Tensor:
        """``(n, 3, h, w)`` with colours matched → stylised, not clipped; any h and w from 16 px.

        ``modulation`` is ``(n, m)``; or ``(n, s, m)`` with ``shares`` ``(n, s, h, w)``, which say how
        much of each of ``s`` styles there is where.
        """
        height, width = content.shape[-2:]
        padded = _padded(content)
        seen = None if shares is None else _padded(shares)
        steer = Steering(modulation, self.modulated, seen)
        stylised = padded + self._residual(padded * 2 - 1, steer)
        return stylised[..., _EDGE : _EDGE + height, _EDGE : _EDGE + width]

    def _residual(self, picture: Tensor, steer: Steering) -> Tensor:
        half = F.pixel_unshuffle(picture, 2)
        quarter = F.relu(steer(self.stem(F.pixel_unshuffle(picture, 4))))
        deep = F.relu(steer(self.down(quarter)))
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            deep = deep + steer(second(F.relu(steer(first(deep)))))
        grown = F.relu(steer(self.up_quarter(_double(deep))))
        grown = F.relu(steer(self.join(torch.cat([grown, quarter], 1))))
        grown = F.relu(steer(self.up_half(_double(grown))))
        grown = F.relu(steer(self.refine(torch.cat([grown, half], 1))))
        grown = F.relu(steer(self.detail(grown)))
        grown = F.relu(self.out(torch.cat([_double(grown), picture], 1)))
        answer: Tensor = self.colour(grown)
        return answer


class Steering:
    """Adaptive instance normalisation, dealing out scales and shifts layer by layer.

    Arguments as in ``Painter.forward``. Features are normalised over the whole picture whatever the
    shares, so that a style's edge has no level of its own.
    """

    def __init__(self, modulation: Tensor, widths: Sequence[int], shares: Tensor | None = None) -> None:
        self._parts = iter(torch.split(modulation, [2 * width for width in widths], -1))
        self._shares = shares

    def __call__(self, features: Tensor) -> Tensor:
        """``(n, c, h, w)`` features of the next layer, normalised and steered."""
        part = next(self._parts).to(features.dtype)
        if self._shares is None:
            scale, shift = part[..., None, None].chunk(2, 1)
        else:
            height, width = features.shape[-2:]
            seen = F.adaptive_avg_pool2d(self._shares, (height, width)).to(features.dtype)
            scale, shift = torch.einsum("nsc,nshw->nchw", part, seen).chunk(2, 1)
        return F.instance_norm(features) * (1 + scale) + shift


def _padded(picture: Tensor) -> Tensor:
    """Continued by reflection as far as the picture reaches, to sides that are multiples of 8."""
    height, width = picture.shape[-2:]
    below, right = -height % 8 + _EDGE, -width % 8 + _EDGE
    edge = min(_EDGE, height - 1, width - 1)
    padded = F.pad(picture, (edge, min(right, width - 1), edge, min(below, height - 1)), "reflect")
    padded = F.pad(padded, (_EDGE - edge, 0, _EDGE - edge, 0), "replicate")
    return F.pad(padded, (0, -padded.shape[-1] % 8, 0, -padded.shape[-2] % 8), "replicate")


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")
