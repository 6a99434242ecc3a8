"""Blends of styles in a preview: weights and masks mean what they mean in a print."""

from __future__ import annotations

import pytest
import torch
from engine_cases import net, relative, waves
from torch import Tensor

from farm.engine.blend import Blend, blend
from farm.engine.extractor import Extractor
from farm.engine.preview_net import PreviewNet
from farm.engine.style_code import encode_style
from farm.engine.styles import Style

EXTRACTOR: Extractor = net(((3, 3), (4, 4), (5, 5), (6, 6))).float()
HEIGHT, WIDTH = 40, 64


def _net() -> PreviewNet:
    torch.manual_seed(1)
    small = PreviewNet((3, 4, 5, 6), widths=(4, 6, 8), blocks=2, sketch=3)
    for parameter in small.reader.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape))
    return small.requires_grad_(False).eval()


NET, CONTENT = _net(), waves(HEIGHT, WIDTH, 9)


def mixed(*styles: Style) -> Blend:
    return blend(NET, CONTENT, styles, [encode_style(EXTRACTOR, one.picture) for one in styles], 0.6)


def painted(*styles: Style) -> Tensor:
    made = mixed(*styles)
    return made.over(NET(made.content, made.modulation, made.shares).clamp(0, 1))


def style(seed: int, weight: float = 1.0, mask: Tensor | None = None) -> Style:
    return Style(waves(40, 40, seed) ** (1 + seed), weight, mask)


def half(left: bool) -> Tensor:
    """White on one half, of a size of its own."""
    mask = torch.zeros(20, 32)
    mask[:, :16] = 1
    return mask if left else 1 - mask


def test_styles_without_masks_need_no_shares() -> None:
    made = mixed(style(1), style(2))
    assert made.shares is None
    assert made.modulation.shape == (1, NET.modulation_size)


@pytest.mark.parametrize("weights", [(1.0, 3.0), (2.0, 6.0)])
def test_only_the_ratio_of_weights_counts(weights: tuple[float, float]) -> None:
    wanted = painted(style(1, 1.0), style(2, 3.0))
    torch.testing.assert_close(painted(style(1, weights[0]), style(2, weights[1])), wanted)
    assert relative(painted(style(1, 3.0), style(2, 1.0)), wanted) > 1e-3


def test_a_white_mask_is_no_mask() -> None:
    white = torch.ones(7, 9)
    torch.testing.assert_close(painted(style(1, 1.0, white)), painted(style(1)), atol=1e-5, rtol=1e-4)


def test_a_black_mask_leaves_the_content_in_the_styles_palette() -> None:
    found = painted(style(1, 1.0, torch.zeros(8, 8)))
    torch.testing.assert_close(found, mixed(style(1)).content)


def test_each_style_is_where_its_mask_is() -> None:
    both = painted(style(1, 1.0, half(True)), style(2, 1.0, half(False)))
    swapped = painted(style(2, 1.0, half(True)), style(1, 1.0, half(False)))
    first, second = painted(style(1)), painted(style(2))
    left, right = slice(0, 24), slice(40, 64)  # clear of the edge between them
    for picture, at_left, at_right in ((both, first, second), (swapped, second, first)):
        for part, own, other in ((left, at_left, at_right), (right, at_right, at_left)):
            near = (picture[..., part] - own[..., part]).abs().mean()
            far = (picture[..., part] - other[..., part]).abs().mean()
            assert near < 0.6 * far  # levels are those of the whole picture


def test_a_style_without_a_mask_fills_what_masks_leave() -> None:
    made = mixed(style(1, 1.0, half(True)), style(2))
    assert made.cover is None
    assert made.shares is not None
    torch.testing.assert_close(made.shares.sum(1), torch.ones(1, HEIGHT, WIDTH))
    torch.testing.assert_close(made.shares[0, 0, :, 0], torch.full((HEIGHT,), 0.5))
    torch.testing.assert_close(made.shares[0, 0, :, -1], torch.zeros(HEIGHT))
