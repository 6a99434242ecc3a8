"""From scene-linear light to a picture that the engine can work on."""

from __future__ import annotations

from typing import Literal

import numpy as np

from farm.imaging.colour import to_linear
from farm.imaging.exr import Light
from farm.imaging.picture import Array, Picture
from farm.imaging.primaries import to_rec709
from farm.imaging.shaper import Shaper

_ROWS = 256
_THINNEST = np.float32(2**-10)
"""Alpha below which a pixel's own colour cannot be known."""


def picture(light: Light, *, alpha: Literal["keep", "compose"], background: Array) -> Picture:
    """Rec. 709, white to white; negative light is clipped to 0.

    Composing is done on light, as compositing programs do. Kept alpha is divided out: light that glows
    where alpha is under a thousandth is lost.

    Args:
        background: sRGB values (3,) behind a picture that is composed.
    """
    found = light.layout
    matrix = None if found.chromaticities is None else to_rec709(found.chromaticities)
    cover = None if light.cover is None else np.clip(light.cover, 0, 1)
    pixels, peak = light.colour, 0.0
    behind = to_linear(background)
    for rows in _bands(len(pixels)):
        band = pixels[rows] if matrix is None else pixels[rows] @ matrix.T
        band = np.maximum(band, 0)
        if cover is not None:
            share = cover[rows, :, None]
            band = band + behind * (1 - share) if alpha == "compose" else _bare(band, share)
        pixels[rows] = band
        peak = max(peak, float(band.max(initial=0)))
    shaper = Shaper(max(peak, 1.0))
    for rows in _bands(len(pixels)):
        pixels[rows] = shaper.shaped(pixels[rows])
    name = "scene-linear" if matrix is None else "scene-linear, other primaries"
    kept = cover if alpha == "keep" else None
    return Picture(pixels, kept, found.bits, name, shaper)


def _bare(band: Array, share: Array) -> Array:
    """Colour without the alpha that is multiplied into it; black where alpha is next to nothing."""
    bare: Array = np.where(share >= _THINNEST, band / np.maximum(share, _THINNEST), 0)
    return bare


def _bands(height: int) -> list[slice]:
    """Some rows at a time, so that temporaries stay small."""
    return [slice(top, top + _ROWS) for top in range(0, height, _ROWS)]
