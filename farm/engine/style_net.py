"""A net for one style: what an any-style net makes of that style, learnt further for it alone.

It needs no style picture and no extractor: the style's palette and its modulations at a few strengths
are among the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from farm.engine.colour_match import match_colours
from farm.engine.painter import Painter
from farm.engine.preview_net import PreviewNet
from farm.engine.style_code import StyleCode

STRENGTHS = 5
"""Strengths, evenly from 0 to 1, at which modulations are learnt; others lie on lines between."""


class StyleNet(Painter):
    """Stylises pictures of any size in its one style, at any strength.

    Args:
        widths, blocks: those of the ``PreviewNet`` that it was made from.
    """

    colour_mean: Tensor
    colour_covariance: Tensor

    def __init__(self, widths: tuple[int, int, int], blocks: int) -> None:
        super().__init__(widths, blocks)
        self.table = nn.Parameter(torch.zeros(STRENGTHS, self.modulation_size))
        self.register_buffer("colour_mean", torch.zeros(1, 3))
        self.register_buffer("colour_covariance", torch.zeros(1, 3, 3))

    @classmethod
    def of(
        cls, net: PreviewNet, code: StyleCode, widths: tuple[int, int, int], blocks: int
    ) -> StyleNet:
        """The net that paints what ``net`` does for the one style of ``code``, ready to learn more."""
        made = cls(widths, blocks).to(code.colour_mean.device)
        body = {name: net.state_dict()[name] for name in Painter(widths, blocks).state_dict()}
        made.load_state_dict(body, strict=False)
        with torch.no_grad():
            for row, strength in enumerate(torch.linspace(0, 1, STRENGTHS)):
                made.table[row] = net.modulation(code, strength[None].to(made.table.device))[0]
            made.colour_mean.copy_(code.colour_mean)
            made.colour_covariance.copy_(code.colour_covariance)
        return made

    def modulation(self, strength: Tensor) -> Tensor:
        """Scales and shifts ``(n, m)`` at ``(n,)`` strengths in [0, 1]."""
        place = strength.clamp(0, 1) * (STRENGTHS - 1)
        low = place.floor().long().clamp_max(STRENGTHS - 2)
        return torch.lerp(self.table[low], self.table[low + 1], (place - low)[:, None])

    def matched(self, content: Tensor) -> Tensor:
        """``(n, 3, h, w)`` contents in the style's palette, as the net wants to see them."""
        return match_colours(content, self.colour_mean, self.colour_covariance).clamp(0, 1)
