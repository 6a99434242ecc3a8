"""One loss that pictures made in different ways are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

import torch
from torch import Tensor

from farm.engine.gradient import Evaluator
from farm.engine.measure.subject import Subject
from farm.engine.pyramid import Scale
from farm.engine.resample import resample


class Yardstick:
    """The engine's objective at the content's size, untiled and in the content's precision.

    That is the mean over the positions of the pools' grid that prints take turns in. Whoever sees
    one position alone fits a picture to it, which then is worse at all others.
    """

    def __init__(self, subject: Subject) -> None:
        self._size = subject.size
        self._scene = subject.scene(Evaluator(subject.extractor, precision=subject.content.dtype))

    def __call__(self, picture: Tensor) -> float:
        """The loss of ``(1, 3, h, w)``; a picture of another size is resampled first."""
        return mean(self.losses(picture))

    @torch.no_grad()
    def losses(self, picture: Tensor) -> list[float]:
        """The loss at each position of the grid, the first of which leaves nothing out."""
        if picture.shape[2:] != self._size:
            picture = resample(picture, *self._size).clamp(0, 1)
        evaluator = self._scene.evaluator
        return [evaluator.sweep(picture, one).loss.item() for one in self._scene.objectives]


def finished(subject: Subject, evaluator: Evaluator, scales: Sequence[Scale]) -> Tensor:
    """The picture that a run on one device ends with."""
    for iterate in subject.run(evaluator, scales):
        if iterate.is_last:
            return iterate.picture
    raise ValueError("a pyramid has at least one iteration")


def loss_share(subject: Subject, scales: Sequence[Scale], one: Evaluator, other: Evaluator) -> float:
    """The final loss of a run by ``one`` over that of the same run by ``other``."""
    yardstick = Yardstick(subject)
    return yardstick(finished(subject, one, scales)) / yardstick(finished(subject, other, scales))
