"""The loss network: a plain chain of 3×3 convolutions, ReLUs and 2×2 average pools, read at taps.

A tap is named like VGG's layers (``conv3_1`` is the first convolution of the third block) and gives
the activations after its ReLU. ``rgb`` is a tap too: the picture itself, so that pixel statistics
go the same way as feature statistics. No skips: residual connections give peaky, low-entropy
features and ruin style losses (Wang, Li and Vasconcelos, "Rethinking and Improving the Robustness
of Image Style Transfer", CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farm.engine.taps import RGB, Tap, chain

__all__ = ["RGB", "Extractor", "Tap", "chain"]


class Extractor(nn.Module):
    """A frozen loss network.

    Args:
        blocks: channel widths per block, e.g. VGG-19 to conv5_1 is
            ``((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,))``.
        mean, std: per-channel normalisation of the sRGB picture in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        blocks: Sequence[Sequence[int]],
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
    ) -> None:
        super().__init__()
        self.blocks = tuple(tuple(widths) for widths in blocks)
        self.taps = {tap.name: tap for tap in chain(self.blocks)}
        self.convolutions = nn.ModuleDict()
        previous = 3
        for tap in list(self.taps.values())[1:]:
            self.convolutions[tap.name] = nn.Conv2d(previous, tap.channels, 3, padding=1)
            previous = tap.channels
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, picture: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Features of ``(n, 3, h, w)`` pictures in [0, 1] at the taps named, ``(n, c, h/s, w/s)``.

        Raises:
            KeyError: a name that is no tap of this net.
        """
        wanted = set(names)
        unknown = wanted - self.taps.keys()
        if unknown:
            raise KeyError(f"no such taps: {sorted(unknown)}; this net has {list(self.taps)}")
        found = {RGB: picture} if RGB in wanted else {}
        features = (picture - self.mean) / self.std
        stride = 1
        for name, convolution in self.convolutions.items():
            if len(found) == len(wanted):
                break
            if self.taps[name].stride != stride:
                features = F.avg_pool2d(features, 2)
                stride = self.taps[name].stride
            features = F.relu(convolution(features))
            if name in wanted:
                found[name] = features
        return found
