"""Resizing with floating-point precision."""

from __future__ import annotations

import numpy as np
from PIL import Image

from farm.imaging.picture import Array


def resize(array: Array, size: tuple[int, int]) -> Array:
    """A picture (height, width, channels) or mask (height, width), 0 to 1, at ``size`` (width, height).

    Lanczos whose support grows when shrinking, so every source pixel counts; overshoot beside hard
    edges is clipped to 0 to 1. The same size returns the values unchanged.
    """
    width, height = size
    if array.shape[:2] == (height, width):
        return array.astype(np.float32, copy=True)
    planes = array[..., None] if array.ndim == 2 else array
    out = np.empty((height, width, planes.shape[2]), np.float32)
    for channel in range(planes.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(planes[..., channel], dtype=np.float32))
        out[..., channel] = np.asarray(plane.resize(size, Image.Resampling.LANCZOS))
    np.clip(out, 0, 1, out=out)
    return out[..., 0] if array.ndim == 2 else out
