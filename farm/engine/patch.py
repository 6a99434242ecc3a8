"""A window of a feature map as rows of positions, with as little copying as memory's order allows.

Maps are kept channels last: whole rows of positions lie together, windows of them do not. Gradients are
therefore added to whole rows and the edges put back. Copying the window instead is a pass over memory
each time.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from farm.engine.blocks import Sides, block_sides
from farm.engine.tiling import Window


class Patch:
    """The window ``local`` of a map ``(1, c, h, w)``, summed in blocks of ``sides`` positions."""

    def __init__(self, map_: Tensor, local: Window, sides: Sides | None = None) -> None:
        self.sides = sides or block_sides(1)
        self._grid = map_[0].permute(1, 2, 0)[local.top : local.bottom]
        self._left, self._right = local.left, local.right
        self.channels = map_.shape[1]

    @property
    def grid(self) -> Tensor:
        """``(h, w, c)``: a view of the window."""
        return self._grid[:, self._left : self._right]

    @cached_property
    def flat(self) -> Tensor:
        """``(n, c)``: a row per position of the window, copied together."""
        return self.grid.reshape(-1, self.channels)

    @property
    def wide(self) -> bool:
        """Whether whole rows lie together in memory, and the edges are not most of them."""
        inside = self._right - self._left
        return self._grid.is_contiguous() and 2 * inside > self._grid.shape[1]

    @property
    def rows(self) -> Tensor:
        """``(m, c)``: the positions of whole rows, edges included; not copied. Needs ``wide``."""
        return self._grid.view(-1, self.channels)

    @property
    def edges(self) -> Tensor:
        """``(k, c)``: the positions of those rows that are outside the window, copied."""
        sides = self._grid[:, : self._left], self._grid[:, self._right :]
        return torch.cat([side.reshape(-1, self.channels) for side in sides])

    def put_edges(self, edges: Tensor) -> None:
        """Write back what ``edges`` gave."""
        left, right = self._grid[:, : self._left], self._grid[:, self._right :]
        count = left.shape[0] * left.shape[1]
        left.copy_(edges[:count].view(left.shape))
        right.copy_(edges[count:].view(right.shape))

    def add(self, flat: Tensor) -> None:
        """Add ``(n, c)`` values to the window, in place."""
        here = self.grid
        here += flat.view(here.shape)
