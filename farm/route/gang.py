"""Which gangs there may be, and how long an iteration takes on each.

On n devices a picture lies in n bands. What a band adds to its share of the pixels, rows that its
neighbours own, is in the pace that the engine's own plan has for it; see ``footprint.fit``. A share
of each iteration (sums, losses, waiting for one another) does not shrink with more devices.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
_N = TypeVar("_N", float, Floats)


def sizes(machine: int) -> tuple[int, ...]:
    """Gangs worth looking at on machines of so many accelerators: powers of two, and all of them."""
    powers = [2**k for k in range(machine.bit_length()) if 2**k <= machine]
    return tuple(sorted({*powers, machine}))


def equivalent(megapixels: _N, devices: _N, p_half: _N, share: _N) -> _N:
    """Megapixels that, at full rate on one device, take as long as an iteration on the gang.

    ``(1 - s) · (p/n + p½) + s · (p + p½)``: Hockney's law on a band, and Amdahl's on the whole.

    Args:
        megapixels: of the whole picture, p.
        devices: that share it, n.
        p_half: megapixels at which half of the full rate is reached, p½.
        share: of an iteration that does not shrink, s.
    """
    return (1 - share) * (megapixels / devices + p_half) + share * (megapixels + p_half)


def efficiency(megapixels: float, devices: int, p_half: float, share: float) -> float:
    """How much of each device's speed is left in a gang of so many: 1 is all of it."""
    alone = equivalent(megapixels, 1.0, p_half, share)
    return alone / (devices * equivalent(megapixels, float(devices), p_half, share))
