"""A picture in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """Pixels and what is known of where they came from.

    Args:
        pixels: float32 (height, width, 3), sRGB-encoded, 0 to 1.
        alpha: float32 (height, width), 0 to 1, not multiplied into ``pixels``; ``None`` if opaque.
        bits: bits per channel that the pixels carry, 8 or 16.
        source_profile: name of the profile the file was in before it became sRGB.
    """

    pixels: Array
    alpha: Array | None = None
    bits: Literal[8, 16] = 8
    source_profile: str = "sRGB"

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])
