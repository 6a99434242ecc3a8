"""Ranks that work on one picture together: who I am, sums over all, messages between two.

Everything runs the same program on every rank (SPMD), each on rows of its own. So every rank makes the
same calls in the same order, also where it has nothing to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

Rows = tuple[int, int]
"""Rows ``[top, bottom)`` of the whole picture; none where both are the same."""


class Mesh(Protocol):
    """One rank's view of all of them."""

    @property
    def rank(self) -> int:
        """This rank's number, from 0."""

    @property
    def size(self) -> int:
        """How many ranks there are."""

    @property
    def device(self) -> torch.device:
        """Where this rank's tensors are."""

    def add(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The sum of each value over the ranks, in the order of the ranks.

        Bit for bit the same on every rank and on every kind of mesh. Shapes and dtypes may differ from
        value to value, but not from rank to rank; all values of a dtype travel in one message.
        """

    def exchange(
        self, parcels: Mapping[int, Tensor], expected: Mapping[int, tuple[int, ...]], dtype: torch.dtype
    ) -> dict[int, Tensor]:
        """Send ``parcels[r]`` to each such rank ``r``, and return what came from those in ``expected``.

        Args:
            parcels: of that dtype, on this rank's device; they may be changed as soon as this returns.
            expected: the shapes of what others send here; what one sends the other must expect.

        Every rank takes part, with empty mappings if need be; no order of ranks can deadlock.
        """


class Alone:
    """The mesh of one device, where nothing is copied."""

    rank = 0
    size = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def add(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The values themselves."""
        return list(values)

    def exchange(
        self, parcels: Mapping[int, Tensor], expected: Mapping[int, tuple[int, ...]], dtype: torch.dtype
    ) -> dict[int, Tensor]:
        """Nothing, since there is nobody else."""
        if parcels or expected:
            raise ValueError(f"one rank has no messages, but {[*parcels, *expected]} were named")
        return {}


def flattened(values: Sequence[Tensor]) -> dict[torch.dtype, Tensor]:
    """All values of a dtype in one vector, in order."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for value in values:
        groups.setdefault(value.dtype, []).append(value.reshape(-1))
    return {dtype: torch.cat(group) for dtype, group in groups.items()}


def unflattened(flat: Mapping[torch.dtype, Tensor], like: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of ``flattened``: views of ``flat`` in the shapes of ``like``."""
    places = dict.fromkeys(flat, 0)
    found = []
    for value in like:
        place = places[value.dtype]
        found.append(flat[value.dtype][place : place + value.numel()].view(value.shape))
        places[value.dtype] = place + value.numel()
    return found


def summed(parts: Sequence[Tensor]) -> Tensor:
    """The sum in the order given, which rounding depends on; a new tensor."""
    total = parts[0].clone()
    for part in parts[1:]:
        total += part
    return total
