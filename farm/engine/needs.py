"""What a print asks of the planner: its picture and its net, alike for quotes and for prints."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from farm.engine.planner import STATE_BYTES, Demand, Net
from farm.engine.taps import Tap

LBFGS_HISTORY = 10
"""Pairs of steps and gradient changes that L-BFGS keeps unless told otherwise."""
POSITIONS = 4
"""Of the pools' grid, which moves between Adam's iterations; L-BFGS needs it to stand still."""


def state_bytes(optimiser: str, history: int = LBFGS_HISTORY) -> int:
    """What ``adam`` or ``lbfgs`` remembers, in bytes per pixel; a checkpoint keeps just that."""
    return STATE_BYTES if optimiser == "adam" else 12 * (2 * history + 3)


def demand(  # all that decides how much memory it takes
    width: int, height: int, *, devices: int = 1, optimiser: str = "adam",
    history: int = LBFGS_HISTORY, masks: int = 0,
) -> Demand:  # fmt: skip
    """The largest part of a ``width × height`` picture that one of so many devices gets."""
    return Demand(
        -(-height // devices), width, state_bytes(optimiser, history),
        POSITIONS if optimiser == "adam" else 1, shared=devices > 1, masks=masks,
    )  # fmt: skip


def net(
    taps: Sequence[Tap], read: Collection[str], content: Sequence[str], width: int, *,
    reproducible: bool = True,
) -> Net:  # fmt: skip
    """An extractor down to the deepest of the taps that are ``read``.

    Args:
        content: those that the content is compared at.
        width: bytes of a number in the convolutions' precision.
    """
    deepest = max(index for index, tap in enumerate(taps) if tap.name in read)
    return Net(tuple(taps[: deepest + 1]), tuple(content), width, reproducible=reproducible)
