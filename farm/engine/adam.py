"""Adam on pixels with an average of its iterates, in 30 bytes per pixel.

The picture is float32. The first moment, the root of the second and the lag of the average behind the
picture are float16: they are small beside the picture or enter through a ratio, so three
digits are enough, and the memory that grows with a print is what limits its size. Steps are reckoned
in the picture's own precision. Gradients are taken times the number of pixels, which makes
them of order 1 at every size; Adam itself does not mind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from farm.engine.memory import lasting
from farm.engine.mesh import Mesh
from farm.engine.state import Counters

_ROWS = 256
"""Rows that are worked on at once, so that temporaries stay small."""
_STEEPEST = 1e4
"""float16 ends at 65504; NaN passes, for the guard to see."""
Enlarge = Callable[[Tensor, str], Tensor]
"""Resamples own rows to those of the next scale; ``bicubic``, or ``bilinear`` which stays positive."""


@dataclass(frozen=True)
class AdamOptions:
    """Kingma and Ba (2015), for scales of dozens of iterations.

    style-transfer-pytorch takes a step of 0.02, a ``beta2`` of 0.99 and the average of the last hundred
    of a thousand iterates. A longer step and shorter memory come to the same loss in two thirds of the
    iterations (docs/benchmarks.md); the average takes the noise out that long steps leave.
    ``storage`` is the precision of all that is kept beside the picture.
    """

    learning_rate: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-8
    averaging: float = 0.9
    storage: torch.dtype = torch.float16


@dataclass
class AdamState:
    """The rows ``(1, 3, rows, width)`` that one device owns.

    ``deviation`` is the root of the second moment; ``lag`` is the bias-corrected average of the
    iterates less the picture. ``step`` counts updates of the moments, ``averaged`` the iterates in the
    average, ``calmed`` how often the step was halved; ``pixels`` are those of the whole picture.
    """

    picture: Tensor
    first: Tensor
    deviation: Tensor
    lag: Tensor
    options: AdamOptions
    pixels: int
    step: int = 0
    averaged: int = 0
    calmed: int = 0

    @classmethod
    def start(cls, picture: Tensor, options: AdamOptions, pixels: int) -> AdamState:
        """The state before the first step; takes the picture over."""
        with lasting():
            first, deviation, lag = (torch.zeros_like(picture, dtype=options.storage) for _ in range(3))
        return cls(picture, first, deviation, lag, options, pixels)

    @classmethod
    def restored(
        cls, tensors: Mapping[str, Tensor], counters: Counters, options: AdamOptions, pixels: int
    ) -> AdamState:
        """The state that ``tensors`` and ``counters`` were taken from.

        Raises:
            KeyError: something is missing.
        """
        picture, first, deviation, lag = (
            tensors[name] for name in ("picture", "first", "deviation", "lag")
        )
        step, averaged, calmed = (int(counters[name]) for name in ("step", "averaged", "calmed"))
        return cls(picture, first, deviation, lag, options, pixels, step, averaged, calmed)

    def begin(self) -> None:
        """Count a step and an iterate."""
        self.step += 1
        self.averaged += 1

    def absorb(self, top: int, gradient: Tensor) -> None:
        """Step rows from ``top`` on, in place; pixels are kept in [0, 1]."""
        for first in range(0, gradient.shape[2], _ROWS):
            part = gradient[:, :, first : first + _ROWS]
            self._step(slice(top + first, top + first + part.shape[2]), part)

    def _step(self, rows: slice, gradient: Tensor) -> None:
        options, kind = self.options, self.picture.dtype
        scaled = (gradient * float(self.pixels)).clamp_(-_STEEPEST, _STEEPEST)
        first = self.first[:, :, rows].to(kind, copy=True).lerp_(scaled, 1 - options.beta1)
        second = self.deviation[:, :, rows].to(kind, copy=True).square_()
        deviation = second.lerp_(scaled.square_(), 1 - options.beta2).sqrt_()
        self.first[:, :, rows] = first
        self.deviation[:, :, rows] = deviation
        rate = options.learning_rate * 0.5**self.calmed / (1 - options.beta1**self.step)
        slope = first.div_(deviation.div_((1 - options.beta2**self.step) ** 0.5).add_(options.epsilon))
        picture = self.picture[:, :, rows]
        moved = torch.add(picture, slope, alpha=-rate).clamp_(0, 1)
        # The average follows the picture with weight w: its lag shrinks by 1 − w after falling behind.
        weight = (1 - options.averaging) / (1 - options.averaging**self.averaged)
        lag = self.lag[:, :, rows].to(kind, copy=True).add_(picture).sub_(moved).mul_(1 - weight)
        self.lag[:, :, rows] = lag
        picture.copy_(moved)

    def finish(self, mesh: Mesh) -> None:
        """Nothing is left to do: every strip was stepped as it came."""

    def output(self, top: int = 0, bottom: int | None = None) -> Tensor:
        """The average of the iterates, which is less noisy than the last one; a copy."""
        rows = slice(top, bottom)
        return torch.add(self.picture[:, :, rows], self.lag[:, :, rows]).clamp_(0, 1)

    def calm(self) -> None:
        """Halve the step from now on."""
        self.calmed += 1

    def enlarged(self, enlarge: Enlarge, pixels: int) -> AdamState:
        """The state at a new size: picture from the average, moments resampled, a fresh average.

        Resampling the moments instead of dropping them spares each scale its warm-up
        (style-transfer-pytorch does the same). Uses this state up: each tensor is let go as soon as
        its successor is there.
        """
        with lasting():
            picture = enlarge(self.picture.add_(self.lag).clamp_(0, 1), "bicubic").clamp_(0, 1)
            self.picture = self.lag = self.picture[:, :, :0].clone()
            first = enlarge(self.first, "bicubic")
            self.first = self.first[:, :, :0].clone()
            deviation = enlarge(self.deviation, "bilinear")
            self.deviation = self.deviation[:, :, :0].clone()
            lag = torch.zeros_like(picture, dtype=self.options.storage)
        return replace(
            self, picture=picture, first=first, deviation=deviation, lag=lag, pixels=pixels, averaged=0
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything per pixel."""
        return {
            "picture": self.picture, "first": self.first, "deviation": self.deviation, "lag": self.lag,
        }  # fmt: skip

    def counters(self) -> Counters:
        """Everything else."""
        return {"step": self.step, "averaged": self.averaged, "calmed": self.calmed}
