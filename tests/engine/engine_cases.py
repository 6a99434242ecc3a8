"""Small nets and pictures that the engine's tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from hypothesis import settings
from torch import Tensor, nn

from farm.engine.evaluation import Scene
from farm.engine.extractor import Extractor
from farm.engine.frame import reflected
from farm.engine.gradient import Evaluator
from farm.engine.losses import total_variation
from farm.engine.mesh import Alone
from farm.engine.objective import Objective, Place
from farm.engine.patch import Patch
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.engine.styles import Style
from farm.engine.tiling import Tile, Window

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


def styles_of(kind: str, height: int, width: int) -> list[Style]:
    """One style, two blended, or some of them behind masks."""
    first, second = noise(1, 3, 60, 71, seed=1), noise(1, 3, 83, 40, seed=2) ** 2
    mask = noise(height, width, seed=3)
    return {
        "one": [Style(first)],
        "two": [Style(first, 1.0), Style(second, 2.5)],
        "masked": [Style(first, 1.0, mask), Style(second, 2.0, 1 - mask)],
        "mixed": [Style(first, 1.0, mask), Style(second, 0.5)],
    }[kind]


def scene(
    height: int, width: int, evaluator: Evaluator, kind: str = "one", recipe: Recipe = RECIPE
) -> Scene:
    """A scale of noise in styles of noise, on one device."""
    dtype = next(evaluator.extractor.buffers()).dtype
    content = noise(1, 3, height, width, seed=4).to(dtype)
    styles = [
        replace(
            style,
            picture=style.picture.to(dtype),
            mask=None if style.mask is None else style.mask.to(dtype),
        )
        for style in styles_of(kind, height, width)
    ]
    mesh = Alone(torch.device("cpu"))
    return Scene(content, styles, evaluator, recipe, Scale(width, height, 1), mesh, [1.0])


def by_autograd(picture: Tensor, objective: Objective, evaluator: Evaluator) -> tuple[Tensor, Tensor]:
    """Loss and gradient of the whole picture as torch's own autograd has them."""
    leaf = picture.clone().requires_grad_()
    frame = objective.frame
    proper = leaf[..., frame.down :, frame.across :]
    features = evaluator.extractor(reflected(proper), objective.taps)
    everything = Window(0, frame.rows, 0, frame.columns)
    whole = Tile(everything, everything, everything, everything)
    assert objective.content is not None
    content = objective.content.of(whole, everything, everything)
    sums = []
    for term in objective.terms:
        local, place = evaluator.place(term.tap, everything, everything, frame)
        assert isinstance(place, Place)
        sums.append(term.sums(Patch(features[term.tap], local), place, content))
    loss = objective.loss(sums) + objective.variation * total_variation(proper)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient
