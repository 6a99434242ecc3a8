"""What an optimiser keeps of a picture: the rows of one device, and nothing about the layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from farm.engine.mesh import Mesh

Counters = dict[str, int | float]


class State(Protocol):
    """The picture being optimised and what the optimiser remembers.

    Every tensor is ``(1, 3, rows, width)``: the rows of the picture that this device owns.
    """

    picture: Tensor

    def begin(self) -> None:
        """A new iteration starts."""
        ...

    def absorb(self, top: int, gradient: Tensor) -> None:
        """Take the final gradient of own rows ``[top, top + h)``; each row comes once."""
        ...

    def finish(self, mesh: Mesh) -> None:
        """The whole gradient has been given."""
        ...

    def output(self, top: int = 0, bottom: int | None = None) -> Tensor:
        """What to show and to go on from at the next scale, in [0, 1]: own rows ``[top, bottom)``."""
        ...

    def calm(self) -> None:
        """Halve the step from now on, after a run that blew up."""
        ...

    def tensors(self) -> Mapping[str, Tensor]:
        """Everything per pixel, for a checkpoint."""
        ...

    def counters(self) -> Counters:
        """Everything else."""
        ...
