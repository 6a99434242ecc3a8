"""Scene-linear light in the range that the engine works in, and back.

The engine paints sRGB values from 0 to 1, where light over 1 has no place. A shaper makes room: up to
``KNEE`` its values are sRGB's own. Above it, a logarithmic shoulder takes the rest of the sRGB curve,
continued to the picture's brightest value, into what is left below 1:

    ``v = k + ln(1 + r·(e - k)) / r``  for an sRGB value e over k; r is such that the peak comes to 1.

Value and slope are continuous at the knee, the curve rises everywhere, and its inverse is exact. As the
peak goes to 1, r goes to 0 and the curve to sRGB's. The same idea, with other curves: ACEScct and
Cineon log.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log1p

import numpy as np

from farm.imaging.colour import to_linear, to_srgb
from farm.imaging.picture import Array

KNEE = 0.75
"""The sRGB value (52 % light) up to which nothing changes."""

_ALIKE = 1e-7
"""What float32 cannot tell from 1."""


@dataclass(frozen=True)
class Shaper:
    """The curve for pictures whose brightest channel is ``peak``; up to 1 it is the sRGB curve.

    All arrays are float32 of any shape. Negative light, of colours outside Rec. 709, is clipped to 0.
    """

    peak: float = 1.0

    def shaped(self, light: Array) -> Array:
        """Values from 0 to 1 for light from 0 to ``peak``."""
        with np.errstate(over="ignore"):  # in the branch that is not taken
            encoded = to_srgb(np.maximum(light, 0))
        rate = _rate(self.peak)
        if rate:
            shoulder = KNEE + np.log1p(rate * np.maximum(encoded - np.float32(KNEE), 0)) / rate
            encoded = np.where(encoded <= KNEE, encoded, shoulder)
        return np.minimum(encoded, 1).astype(np.float32, copy=False)

    def light(self, shaped: Array) -> Array:
        """Light from 0 to ``peak`` for values that ``shaped`` may give; others are clipped first."""
        with np.errstate(over="ignore"):  # rounding may pass the largest float; the peak does not
            light: Array = np.minimum(to_linear(self._encoded(shaped)), np.float32(max(self.peak, 1)))
        return light

    def display(self, shaped: Array) -> Array:
        """The sRGB values from 0 to 1 of the same picture on a display, whose white is light 1."""
        return np.minimum(self._encoded(shaped), 1).astype(np.float32, copy=False)

    def _encoded(self, shaped: Array) -> Array:
        """The sRGB curve's values, over 1 where light is."""
        values = np.clip(shaped, 0, 1)
        rate = _rate(self.peak)
        if not rate:
            return values
        shoulder = KNEE + np.expm1(rate * np.maximum(values - np.float32(KNEE), 0)) / rate
        return np.where(values <= KNEE, values, shoulder).astype(np.float32, copy=False)


@lru_cache(maxsize=64)
def _rate(peak: float) -> float:
    """The r that takes the peak to 1: the positive root of ``ln(1 + r·reach) - r·room``, 0 up to 1.

    The function is concave, so Newton's steps from above the root fall to it and never past it.
    """
    top = 1.055 * peak ** (1 / 2.4) - 0.055 if peak > 1 else 1.0
    if top - 1 < _ALIKE:
        return 0.0
    reach, room = top - KNEE, 1 - KNEE
    rate = 1.0
    while log1p(rate * reach) > rate * room:
        rate *= 2
    while True:
        value = log1p(rate * reach) - rate * room
        lower = rate - value / (reach / (1 + rate * reach) - room)
        if not 0 < lower < rate:
            return rate
        rate = lower
