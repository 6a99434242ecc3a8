"""What the machine can do at best: its matrix products, in each precision that it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from farm.engine.measure.pace import Effort, pace
from farm.engine.precision import Precision

_SIDES = {"cpu": 1024}
_GPU_SIDE = 8192
"""A GPU is not filled by less."""
REPEATS = 9


def ceiling_side(device: torch.device) -> int:
    """The matrices' side that gives a device's ceiling."""
    return _SIDES.get(device.type, _GPU_SIDE)


def matmul_flops(kind: Precision, device: torch.device, side: int | None = None) -> float:
    """FLOP/s of the best of nine products of two square matrices."""
    side = side or ceiling_side(device)
    a, b = (torch.rand(side, side, device=device).to(kind.dtype) for _ in range(2))
    with rounding(kind):
        return 2 * side**3 / pace(lambda: a @ b, Effort(REPEATS)).best


@contextmanager
def rounding(kind: Precision) -> Iterator[None]:
    """Let a GPU round the inputs of float32 products to TensorFloat-32 only where ``kind`` says so."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if kind.tf32 else "highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=kind.tf32):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
