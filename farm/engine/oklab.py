"""Oklab: lightness apart from colour, on linear light, so that either can change without the other.

The matrices are those of Björn Ottosson, "A perceptual color space for image processing", 2020. All
tensors are ``(n, 3, h, w)`` float32; sRGB values (IEC 61966-2-1) are in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
"""Cone responses from linear light."""
_OPPONENTS = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)
"""L, a and b from the cube roots of cone responses."""
_FROM_CONES, _FROM_OPPONENTS = torch.linalg.inv(_CONES), torch.linalg.inv(_OPPONENTS)

_ROUNDING = 1e-5
"""Light this far outside [0, 1] is only float32's rounding, and clipped."""
_HALVINGS = 12
_ROWS = 256
"""Rows taken at a time, so that a large picture costs no more than itself."""


def oklab(picture: Tensor) -> Tensor:
    """L from 0 to 1, a and b of sRGB values."""
    return _mapped(_OPPONENTS, _mapped(_CONES, _light(picture)).clamp_min(0).pow(1 / 3))


def srgb(lab: Tensor) -> Tensor:
    """The sRGB values of Oklab ones, L in [0, 1].

    Where they leave the gamut, a and b are scaled down until they fit: L, which carries the brush
    strokes, and the hue stay exact.
    """
    light = _light_of(lab)
    outside = _outside(light)
    if outside.any():
        found = lab.movedim(1, 3)[outside].T[None, ..., None]
        light.movedim(1, 3)[outside] = _light_of(_fitted(found))[0, ..., 0].T
    return _encoded(light.clamp(0, 1))


def grey(picture: Tensor) -> Tensor:
    """The sRGB values of the neutral picture with the same lightness L."""
    strips = torch.split(picture, _ROWS, 2)
    lightness = torch.cat([oklab(strip)[:, :1] for strip in strips], 2)
    return _encoded(lightness.pow(3).clamp(0, 1)).expand_as(picture).contiguous()


def _fitted(lab: Tensor) -> Tensor:
    """Oklab values with the most chroma that fits, to 1 part in 4096, by halving."""
    low, high = torch.zeros_like(lab[:, :1]), torch.ones_like(lab[:, :1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = _outside(_light_of(torch.cat([lab[:, :1], lab[:, 1:] * middle], 1)))[:, None]
        low, high = torch.where(over, low, middle), torch.where(over, middle, high)
    return torch.cat([lab[:, :1], lab[:, 1:] * low], 1)


def _outside(light: Tensor) -> Tensor:
    """Where, ``(n, h, w)``, light cannot be shown."""
    return ((light < -_ROUNDING) | (light > 1 + _ROUNDING)).any(1)


def _light_of(lab: Tensor) -> Tensor:
    return _mapped(_FROM_CONES, _mapped(_FROM_OPPONENTS, lab).pow(3))


def _mapped(matrix: Tensor, picture: Tensor) -> Tensor:
    mapped: Tensor = matrix.to(picture) @ picture.flatten(2)
    return mapped.reshape(picture.shape)


def _light(encoded: Tensor) -> Tensor:
    powered = ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(encoded <= 0.04045, encoded / 12.92, powered)


def _encoded(light: Tensor) -> Tensor:
    powered = 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, powered)
