"""A picture in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from farm.imaging.shaper import Shaper

Array = NDArray[np.float32]
Bits = Literal[8, 16, 32]
"""Per channel; 32 is floating point, and so is 16 in EXR."""


@dataclass(frozen=True)
class Picture:
    """Pixels and what is known of where they came from.

    Args:
        pixels: float32 (height, width, 3), sRGB-encoded or shaped, 0 to 1.
        alpha: float32 (height, width), 0 to 1, not multiplied into ``pixels``; ``None`` if opaque.
        bits: bits per channel that the pixels carry.
        source_profile: name of the profile the file was in before it became sRGB.
        shaper: the curve that scene-linear light was brought to 0 to 1 with, which encoding undoes;
            ``None`` for a picture meant for a display, whose curve is sRGB's.
    """

    pixels: Array
    alpha: Array | None = None
    bits: Bits = 8
    source_profile: str = "sRGB"
    shaper: Shaper | None = None

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])
