"""The any-style preview net: one feed-forward pass, steered by a style's statistics.

A small residual net at 1/8 resolution whose normalised features are scaled and shifted per
style (Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", 2017; Dumoulin et al. 2017). Two things differ from those papers. The style is not
encoded by a net of its own but described by the very statistics that the loss compares. And the
content enters with its colours already mapped to the style's, so that the palette of a style never
seen in training is right by construction. Sizes grow by interpolation and convolution, never by a
pixel shuffle, whose sub-pixel phases show as a checkerboard (Odena, Dumoulin and Olah 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farm.engine.colour_match import match_colours
from farm.engine.extractor import Extractor
from farm.engine.style_code import CODE_TAPS, StyleCode

WIDTHS, BLOCKS, SKETCH = (24, 48, 96), 5, 12
"""The shape that is shipped."""

_EDGE = 16
"""Pixels of reflection around the picture while it passes, so that borders look like the rest."""


class PreviewNet(nn.Module):
    """Stylises pictures of any size in one pass.

    Args:
        tap_widths: channels of the style code's taps.
        widths: channels at 1/2, 1/4 and 1/8 resolution.
        blocks: residual blocks at 1/8 resolution.
        sketch: side of the learnt projections that covariances are read through.
    """

    def __init__(
        self,
        tap_widths: Sequence[int],
        widths: tuple[int, int, int] = WIDTHS,
        blocks: int = BLOCKS,
        sketch: int = SKETCH,
    ) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.sketches = nn.ParameterList(
            [nn.Parameter(torch.randn(sketch, width) / width**0.5) for width in tap_widths]
        )
        described = 9 + 1 + sum(2 * width + sketch * sketch for width in tap_widths)
        self.modulated = (
            quarter, eighth, *([eighth] * (2 * blocks)), quarter, quarter, half, half, half,
        )  # fmt: skip
        self.reader = nn.Sequential(
            nn.LayerNorm(described, elementwise_affine=False),
            nn.Linear(described, 192),
            nn.SiLU(),
            nn.Linear(192, 192),
            nn.SiLU(),
            nn.Linear(192, 2 * sum(self.modulated)),
        )
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
        # It begins as a net that treats every style alike and learns to tell them apart.
        last = self.reader[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.bias)
        nn.init.zeros_(last.weight)
        nn.init.normal_(self.colour.weight, std=0.08)

    def modulation(self, code: StyleCode, strength: Tensor) -> Tensor:
        """Scales and shifts ``(n, m)`` for ``n`` styles at ``(n,)`` strengths in [0, 1].

        Depends on the style alone, so it is computed once per style; a blend of styles is the
        weighted mean of theirs.
        """
        rows, columns = torch.triu_indices(3, 3)
        parts = [code.colour_mean, code.colour_covariance[:, rows, columns] * 8, strength[:, None]]
        for sketch, mean, covariance in zip(self.sketches, code.means, code.covariances, strict=True):
            seen = sketch @ covariance @ sketch.mT
            parts += [
                mean.clamp_min(1e-3).log(),
                covariance.diagonal(dim1=1, dim2=2).clamp_min(1e-4).log() / 2,
                (seen.sign() * seen.abs().sqrt()).flatten(1),
            ]
        answer: Tensor = self.reader(torch.cat(parts, 1))
        return answer

    def forward(self, content: Tensor, modulation: Tensor) -> Tensor:
        """``(n, 3, h, w)`` with colours matched → stylised, not clipped; any h and w from 16 px."""
        height, width = content.shape[-2:]
        below, right = -height % 8 + _EDGE, -width % 8 + _EDGE
        edge = min(_EDGE, height - 1, width - 1)
        padded = F.pad(content, (edge, min(right, width - 1), edge, min(below, height - 1)), "reflect")
        padded = F.pad(padded, (_EDGE - edge, 0, _EDGE - edge, 0), "replicate")
        padded = F.pad(padded, (0, -padded.shape[-1] % 8, 0, -padded.shape[-2] % 8), "replicate")
        stylised = padded + self._residual(padded * 2 - 1, _Steering(modulation, self.modulated))
        return stylised[..., _EDGE : _EDGE + height, _EDGE : _EDGE + width]

    def _residual(self, picture: Tensor, steer: _Steering) -> Tensor:
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


class _Steering:
    """Adaptive instance normalisation, dealing out one style's scales and shifts layer by layer."""

    def __init__(self, modulation: Tensor, widths: Sequence[int]) -> None:
        self._parts = iter(torch.split(modulation, [2 * width for width in widths], 1))

    def __call__(self, features: Tensor) -> Tensor:
        scale, shift = next(self._parts).to(features.dtype)[..., None, None].chunk(2, 1)
        return F.instance_norm(features) * (1 + scale) + shift


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def net_for(extractor: Extractor) -> PreviewNet:
    """An untrained net that reads codes of that extractor."""
    return PreviewNet([extractor.taps[tap].channels for tap in CODE_TAPS])


def stylise(net: PreviewNet, content: Tensor, code: StyleCode, modulation: Tensor) -> Tensor:
    """Preview ``(n, 3, h, w)`` contents in [0, 1] in the style of that code and modulation."""
    matched = match_colours(content, code.colour_mean, code.colour_covariance).clamp(0, 1)
    stylised: Tensor = net(matched, modulation).clamp(0, 1)
    return stylised
