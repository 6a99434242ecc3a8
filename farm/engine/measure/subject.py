"""What is measured: a net, a recipe and two pictures; and nets of known shape without their weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from farm.engine.colour_match import colour_statistics, tint
from farm.engine.evaluation import Scene
from farm.engine.extractor import Extractor
from farm.engine.gradient import Evaluator
from farm.engine.mesh import Alone, Mesh
from farm.engine.optimise import Iterate, optimise
from farm.engine.precision import Precision
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.engine.styles import Style

STRENGTH = 0.5
"""Of the style, as prints have it unasked."""


@dataclass(frozen=True)
class Subject:
    """One print to be made: ``content`` and ``style`` are ``(1, 3, h, w)`` in [0, 1]."""

    extractor: Extractor
    recipe: Recipe
    content: Tensor
    style: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the content."""
        return self.content.shape[2], self.content.shape[3]

    @property
    def device(self) -> torch.device:
        """Where all of it is."""
        return self.content.device

    def scale(self, iterations: int = 1) -> Scale:
        """The content's own size as the only scale."""
        height, width = self.size
        return Scale(width, height, iterations)

    def evaluator(self, kind: Precision, tile: int | None = None, keep: int = 1) -> Evaluator:
        """Of this net, in a precision."""
        return Evaluator(self.extractor, tile, kind.dtype, keep, kind.tf32)

    def scene(self, evaluator: Evaluator) -> Scene:
        """The objectives at the content's size, on one device."""
        styles, mesh = [Style(self.style)], Alone(self.device)
        return Scene(self.content, styles, evaluator, self.recipe, self.scale(), mesh, [1.0])

    def run(
        self, evaluator: Evaluator, scales: Sequence[Scale], mesh: Mesh | None = None
    ) -> Iterator[Iterate]:
        """The print itself, from the content on."""
        styles = [Style(self.style)]
        return optimise(self.content, styles, evaluator, self.recipe, scales, mesh=mesh)

    def harmonised(self) -> Subject:
        """With the content in the style's palette, as prints begin."""
        content = tint(self.content, *colour_statistics(self.style), STRENGTH)
        return replace(self, content=content)


def random_extractor(blocks: Sequence[Sequence[int]], device: torch.device, seed: int = 0) -> Extractor:
    """A net of that shape whose activations neither fade nor grow with depth (He et al. 2015).

    Good for time and memory, which do not depend on the weights, and for no pictures.
    """
    draw = torch.Generator().manual_seed(seed)
    extractor = Extractor(blocks)
    for convolution in extractor.convolutions.values():
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=draw)
        nn.init.zeros_(convolution.bias)
    extractor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    return extractor.eval().requires_grad_(False)
