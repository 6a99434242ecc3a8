"""Adam on pixels with an average of its iterates, and how its state moves to a larger picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class AdamOptions:
    """Kingma and Ba (2015), with the values of style-transfer-pytorch but a shorter average.

    That recipe averages over the last hundred of a thousand iterates; scales here have dozens.
    """

    learning_rate: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    averaging: float = 0.9


@dataclass
class AdamState:
    """The picture being optimised and what the optimiser remembers, all ``(1, 3, h, w)``.

    ``step`` counts moments' updates, ``averaged`` the iterates in ``average``; both undo bias.
    """

    picture: Tensor
    first: Tensor
    second: Tensor
    average: Tensor
    step: int = 0
    averaged: int = 0

    @classmethod
    def start(cls, picture: Tensor) -> AdamState:
        """The state before the first step."""
        zero = torch.zeros_like(picture)
        return cls(picture.clone(), zero, zero.clone(), zero.clone())

    def output(self, options: AdamOptions) -> Tensor:
        """The bias-corrected average of the iterates, which is less noisy than the last one."""
        if not self.averaged:
            return self.picture
        return self.average / (1 - options.averaging**self.averaged)

    def update(self, gradient: Tensor, options: AdamOptions) -> None:
        """One step, in place; pixels are kept in [0, 1]."""
        self.step += 1
        self.first.lerp_(gradient, 1 - options.beta1)
        self.second.lerp_(gradient.square(), 1 - options.beta2)
        mean = self.first / (1 - options.beta1**self.step)
        deviation = (self.second / (1 - options.beta2**self.step)).sqrt_().add_(options.epsilon)
        self.picture.sub_(options.learning_rate * mean / deviation).clamp_(0, 1)
        self.averaged += 1
        self.average.lerp_(self.picture, 1 - options.averaging)

    def enlarged(self, height: int, width: int, options: AdamOptions) -> AdamState:
        """The state at a new size: picture from the average, moments resampled, a fresh average.

        Resampling the moments instead of dropping them spares each scale its warm-up.
        """
        picture = resample(self.output(options), height, width).clamp_(0, 1)
        return replace(
            AdamState.start(picture),
            first=resample(self.first, height, width),
            second=F.interpolate(self.second, (height, width), mode="bilinear"),
            step=self.step,
        )


def resample(picture: Tensor, height: int, width: int) -> Tensor:
    """Bicubic, low-pass filtered where it shrinks."""
    if picture.shape[-2:] == (height, width):
        return picture.clone()
    return F.interpolate(picture, (height, width), mode="bicubic", antialias=True)
