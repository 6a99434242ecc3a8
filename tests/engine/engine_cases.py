"""Small nets and pictures that the engine's tests share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import settings
from torch import Tensor, nn

from farm.engine.extractor import Extractor
from farm.engine.optimise import Recipe

torch.set_num_threads(1)  # on tensors this small threads cost more than they give

SHAPE = ((4, 4), (8, 8), (8, 8), (8, 8), (8,))
RECIPE = Recipe(
    style_taps=("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), content_taps=("conv4_2",)
)
TINY = Recipe(style_taps=("conv1_1", "conv2_1"), content_taps=("conv2_1",))
"""For ``tiny_net``."""

few = settings(max_examples=25, deadline=None, derandomize=True)


def net(blocks: Sequence[Sequence[int]] = SHAPE, seed: int = 0) -> Extractor:
    """A random net in float64 whose activations neither fade nor grow with depth."""
    torch.manual_seed(seed)
    extractor = Extractor(blocks)
    for convolution in extractor.convolutions.values():
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        nn.init.kaiming_normal_(convolution.weight)
        nn.init.uniform_(convolution.bias, -0.1, 0.1)
    return extractor.double().requires_grad_(False)


def tiny_net() -> Extractor:
    """Two blocks of one convolution, in float32."""
    return net(((4,), (6,))).float()


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Uniform in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def waves(height: int, width: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """A smooth colour picture ``(1, 3, h, w)`` within [0, 1]."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pace, phase = noise(2, 3, 1, 1, seed=seed) + 0.1
    field = torch.sin(pace * rows / 3 + (1 - pace) * columns / 4 + 6 * phase)
    return (0.5 + 0.45 * field)[None].to(dtype)


def relative(found: Tensor, wanted: Tensor) -> float:
    """``‖found − wanted‖ / ‖wanted‖``."""
    return float((found - wanted).norm() / wanted.norm())
