"""The any-style preview net: one feed-forward pass, steered by a style's statistics.

Two things differ from the papers that ``farm.engine.painter`` names. The style is not
encoded by a net of its own but described by the very statistics that the loss compares. And the
content enters with its colours already mapped to the style's, so that the palette of a style never
seen in training is right by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from farm.engine.colour_match import match_colours
from farm.engine.extractor import Extractor
from farm.engine.painter import Painter
from farm.engine.style_code import CODE_TAPS, StyleCode


@dataclass(frozen=True)
class Shape:
    """How large a preview net is; the arguments of ``PreviewNet``."""

    widths: tuple[int, int, int]
    blocks: int
    sketch: int


SHAPES = {"full": Shape((24, 48, 96), 5, 12), "light": Shape((16, 32, 48), 3, 8)}
"""What is shipped: ``light`` is for when ``full`` cannot keep up."""


class PreviewNet(Painter):
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
        widths: tuple[int, int, int] = SHAPES["full"].widths,
        blocks: int = SHAPES["full"].blocks,
        sketch: int = SHAPES["full"].sketch,
    ) -> None:
        super().__init__(widths, blocks)
        self.sketches = nn.ParameterList(
            [nn.Parameter(torch.randn(sketch, width) / width**0.5) for width in tap_widths]
        )
        described = 9 + 1 + sum(2 * width + sketch * sketch for width in tap_widths)
        self.reader = nn.Sequential(
            nn.LayerNorm(described, elementwise_affine=False),
            nn.Linear(described, 192),
            nn.SiLU(),
            nn.Linear(192, 192),
            nn.SiLU(),
            nn.Linear(192, self.modulation_size),
        )
        # It begins as a net that treats every style alike and learns to tell them apart.
        last = self.reader[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.bias)
        nn.init.zeros_(last.weight)

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


def net_for(extractor: Extractor, shape: Shape = SHAPES["full"]) -> PreviewNet:
    """An untrained net that reads codes of that extractor."""
    widths = [extractor.taps[tap].channels for tap in CODE_TAPS]
    return PreviewNet(widths, shape.widths, shape.blocks, shape.sketch)


def stylise(net: PreviewNet, content: Tensor, code: StyleCode, modulation: Tensor) -> Tensor:
    """Preview ``(n, 3, h, w)`` contents in [0, 1] in the style of that code and modulation."""
    matched = match_colours(content, code.colour_mean, code.colour_covariance).clamp(0, 1)
    stylised: Tensor = net(matched, modulation).clamp(0, 1)
    return stylised
