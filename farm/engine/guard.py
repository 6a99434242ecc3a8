"""Notices a run that blew up, without waiting for the device at every iteration."""

from __future__ import annotations

import torch
from torch import Tensor

EXPLODED = 100.0
"""A loss this many times the scale's first one (or 1, if that was less) is not going to come back.

The first steps of Adam go by the gradient's sign alone and may pass 10 times."""
EVERY = 16
"""Iterations between two looks on a device that works ahead."""


class Diverged(ArithmeticError):  # named for what happened
    """The loss is no number, or far above where it began."""

    def __init__(self, scale: int, iteration: int) -> None:
        super().__init__(f"the loss blew up at scale {scale}, near iteration {iteration}")
        self.scale, self.iteration = scale, iteration


class Guard:
    """Watches the losses of one scale. What it finds stays on the device until somebody looks."""

    def __init__(self, scale: int) -> None:
        self._scale = scale
        self._limit: Tensor | None = None
        self._bad: Tensor | None = None

    def watch(self, loss: Tensor, iteration: int) -> None:
        """Take note of a loss, 0-d; look now and then.

        Raises:
            Diverged: this loss or one since the last look was too high, or no number.
        """
        if self._limit is None or self._bad is None:
            self._limit = EXPLODED * loss.clamp_min(1.0)
            self._bad = torch.zeros_like(loss, dtype=torch.bool)
        self._bad = self._bad | ~(loss <= self._limit)  # a comparison with NaN is false
        if loss.device.type == "cpu" or iteration % EVERY == 0:
            self.look(iteration)

    def look(self, iteration: int) -> None:
        """Wait for the device and see whether all is well.

        Raises:
            Diverged: it is not.
        """
        if self._bad is not None and bool(self._bad.item()):
            raise Diverged(self._scale, iteration)
