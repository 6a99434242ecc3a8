"""A style as numbers that a feed-forward net can be steered by: what the loss network sees in it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.colour_match import colour_statistics
from farm.engine.extractor import Extractor
from farm.engine.frame import MARGIN, reflected

CODE_TAPS = ("conv1_2", "conv2_2", "conv3_2", "conv4_2")


@dataclass(frozen=True)
class StyleCode:
    """Statistics of ``n`` style pictures.

    ``colour_mean`` ``(n, 3)``, ``colour_covariance`` ``(n, 3, 3)``; per tap of ``CODE_TAPS`` a
    feature mean ``(n, c)`` and covariance ``(n, c, c)``.
    """

    colour_mean: Tensor
    colour_covariance: Tensor
    means: tuple[Tensor, ...]
    covariances: tuple[Tensor, ...]

    def __getitem__(self, index: Tensor) -> StyleCode:
        return StyleCode(
            self.colour_mean[index],
            self.colour_covariance[index],
            tuple(mean[index] for mean in self.means),
            tuple(covariance[index] for covariance in self.covariances),
        )

    def replaced(self, place: int, other: StyleCode) -> StyleCode:
        """With the ``place``-th picture's statistics taken from ``other``, which is of one picture."""

        def put(into: Tensor, value: Tensor) -> Tensor:
            return torch.cat([into[:place], value.to(into), into[place + 1 :]])

        return StyleCode(
            put(self.colour_mean, other.colour_mean),
            put(self.colour_covariance, other.colour_covariance),
            tuple(put(*pair) for pair in zip(self.means, other.means, strict=True)),
            tuple(put(*pair) for pair in zip(self.covariances, other.covariances, strict=True)),
        )

    @classmethod
    def stack(cls, codes: list[StyleCode]) -> StyleCode:
        """Codes of several pictures in one."""
        return cls(
            torch.cat([code.colour_mean for code in codes]),
            torch.cat([code.colour_covariance for code in codes]),
            tuple(torch.cat(parts) for parts in zip(*(code.means for code in codes), strict=True)),
            tuple(torch.cat(p) for p in zip(*(code.covariances for code in codes), strict=True)),
        )


def feature_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(n, c)`` and covariance ``(n, c, c)`` of ``(n, c, h, w)`` features, in float32."""
    flat = features.float().flatten(2)
    mean = flat.mean(2)
    # Centred first, and never in an autocast precision: the covariance is a small difference.
    with torch.autocast(flat.device.type, enabled=False):
        centred = flat - mean[..., None]
        return mean, centred @ centred.mT / flat.shape[2]


@torch.no_grad()
def encode_style(extractor: Extractor, pictures: Tensor) -> StyleCode:
    """The code of ``(n, 3, h, w)`` style pictures in [0, 1]."""
    mean, covariance = colour_statistics(pictures)
    means, covariances = [], []
    features = extractor(reflected(pictures), CODE_TAPS)
    for tap in CODE_TAPS:
        edge = MARGIN // extractor.taps[tap].stride
        inner = features[tap][..., edge:-edge, edge:-edge]
        tap_mean, tap_covariance = feature_statistics(inner)
        means.append(tap_mean)
        covariances.append(tap_covariance)
    return StyleCode(mean, covariance, tuple(means), tuple(covariances))
