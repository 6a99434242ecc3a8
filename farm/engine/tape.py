"""The extractor down and up again without autograd: the fast way to features and pixel gradients.

The weights are frozen and the net is a plain chain, so its backward pass is short: the ReLU's mask, a
convolution with the transposed kernel, an average pool's spread. Written out it keeps one map per
convolution and nothing else, adds the gradients of taps in place, and lets each map go on the way up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farm.engine.extractor import RGB, Extractor
from farm.engine.processor import processor_has_bfloat16

_FUSED: tuple[torch.dtype, ...] = ()
"""Precisions in which oneDNN convolves and rectifies at once on this processor."""
if hasattr(torch.ops.mkldnn, "_convolution_pointwise") and bool(
    torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
):
    _FUSED = (torch.float32, torch.bfloat16) if processor_has_bfloat16() else (torch.float32,)
AddGradient = Callable[[str, Tensor, Tensor], None]
"""Adds the gradient at a tap, given its map, into the gradient that came from below; in place."""


@dataclass(frozen=True)
class Layer:
    """A convolution ready to run both ways: kernels in the chosen precision, channels last."""

    name: str
    kernel: Tensor
    bias: Tensor
    transposed: Tensor
    pooled: bool


@dataclass
class Tape:
    """What a window of pixels ``(1, 3, h, w)`` left on its way down: a map per convolution."""

    pixels: Tensor
    maps: dict[str, Tensor] = field(default_factory=dict)

    def at(self, tap: str) -> Tensor:
        """The map at a tap, ``(1, c, h/s, w/s)``."""
        return self.pixels if tap == RGB else self.maps[tap]


class Chain:
    """The extractor down to its deepest tap wanted, in one precision.

    Args:
        precision: of convolutions and maps; pixels and their gradient stay as they are given.
        tf32: lets a GPU round float32 inputs of convolutions to TensorFloat-32.
    """

    def __init__(
        self, extractor: Extractor, taps: Iterable[str], precision: torch.dtype, *, tf32: bool = False
    ) -> None:
        wanted = set(taps)
        unknown = wanted - extractor.taps.keys()
        if unknown:
            raise KeyError(f"no such taps: {sorted(unknown)}; this net has {list(extractor.taps)}")
        names = list(extractor.taps)
        deepest = max((names.index(name) for name in wanted), default=0)
        self._mean, self._std = extractor.mean, extractor.std
        self._precision, self._tf32 = precision, tf32
        self.layers: list[Layer] = []
        stride = 1
        for name in names[1 : deepest + 1]:
            pooled = extractor.taps[name].stride != stride
            stride = extractor.taps[name].stride
            self.layers.append(_layer(name, extractor.convolutions[name], precision, pooled))

    @torch.no_grad()
    def down(self, pixels: Tensor) -> Tape:
        """Run ``(1, 3, h, w)`` pixels in [0, 1] through the chain."""
        tape = Tape(pixels)
        features = ((pixels - self._mean) / self._std).to(
            self._precision, memory_format=torch.channels_last
        )
        with self._rounding():
            for layer in self.layers:
                if layer.pooled:
                    features = F.avg_pool2d(features, 2)
                features = _rectified(features, layer)
                tape.maps[layer.name] = features
        return tape

    @torch.no_grad()
    def up(self, tape: Tape, add: AddGradient) -> Tensor:
        """The gradient ``(1, 3, h, w)`` with respect to the tape's pixels; uses the tape up.

        ``add`` is called for every convolution, deepest first, and at last for ``rgb``.
        """
        gradient: Tensor | None = None
        with self._rounding():
            for number in reversed(range(len(self.layers))):
                layer = self.layers[number]
                map_ = tape.maps.pop(layer.name)
                if gradient is None:
                    gradient = torch.zeros_like(map_)
                elif gradient.shape != map_.shape:
                    gradient = _spread(gradient, map_)
                add(layer.name, map_, gradient)
                torch.ops.aten.threshold_backward.grad_input(gradient, map_, 0, grad_input=gradient)
                del map_
                gradient = F.conv2d(gradient, layer.transposed, padding=1)
        if gradient is None:
            pixels = torch.zeros_like(tape.pixels)
        else:
            pixels = (gradient.to(tape.pixels.dtype) / self._std).contiguous()
        add(RGB, tape.pixels, pixels)
        return pixels

    def _rounding(self) -> AbstractContextManager[object]:
        """cuDNN rounds float32 to TensorFloat-32 unless told otherwise."""
        if self._precision != torch.float32:
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, allow_tf32=self._tf32)


def _rectified(features: Tensor, layer: Layer) -> Tensor:
    """Convolution and ReLU; in one pass over memory where oneDNN is there, to the same bits."""
    kernel, bias = layer.kernel, layer.bias
    if features.device.type == "cpu" and features.dtype in _FUSED:
        one = [1, 1]
        rectified: Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, kernel, bias, one, one, one, 1, "relu", [], ""
        )
        return rectified
    return F.conv2d(features, kernel, bias, padding=1).relu_()


def _spread(gradient: Tensor, map_: Tensor) -> Tensor:
    """The gradient before a 2×2 pool, of the map's shape, but for the factor ¼ (see ``_layer``).

    A last row or column that fell out of the pool has none.
    """
    height, width = map_.shape[2] // 2, map_.shape[3] // 2
    odd = map_.shape[2] % 2 or map_.shape[3] % 2
    spread = torch.zeros_like(map_) if odd else torch.empty_like(map_)
    grid = spread[0].permute(1, 2, 0)[: 2 * height, : 2 * width]
    step = grid.stride()
    cells = grid.as_strided(
        (height, 2, width, 2, grid.shape[2]), (2 * step[0], step[0], 2 * step[1], step[1], step[2])
    )
    cells.copy_(gradient[0].permute(1, 2, 0)[:, None, :, None])
    return spread


def _layer(name: str, convolution: nn.Module, precision: torch.dtype, pooled: bool) -> Layer:
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    kernel = convolution.weight.detach()
    transposed = kernel.flip(2, 3).transpose(0, 1) * (0.25 if pooled else 1)
    last = torch.channels_last
    return Layer(
        name,
        kernel.to(precision).contiguous(memory_format=last),
        convolution.bias.detach().to(precision),
        transposed.to(precision).contiguous(memory_format=last),
        pooled,
    )
