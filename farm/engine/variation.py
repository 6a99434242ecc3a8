"""Total variation over a window, and its gradient: additive like all else.

A tile owns the differences that start in its core, to the pixel below and to the one on the right, as
long as both lie in the picture proper.
"""

from __future__ import annotations

from torch import Tensor

from farm.engine.tiling import Window


def squared_differences(pixels: Tensor, core: Window, proper: Window) -> Tensor:
    """``Σ (p − q)²`` over the differences that the core owns, 0-d.

    Args:
        pixels: ``(1, 3, h, w)``, the tile's span.
        core, proper: what the tile owns, and the part of the picture that it sees, in its pixels.
    """
    down, across = _differences(pixels, core, proper)
    return down.square().sum() + across.square().sum()


def add_variation_gradient(
    pixels: Tensor, core: Window, proper: Window, weight: float, gradient: Tensor
) -> None:
    """Add the gradient of ``weight · squared_differences`` to ``gradient``, in place."""
    if not weight:
        return
    down, across = (2 * weight * part for part in _differences(pixels, core, proper))
    top, left = core.top, core.left
    gradient[..., top : top + down.shape[2], left : core.right] -= down
    gradient[..., top + 1 : top + 1 + down.shape[2], left : core.right] += down
    gradient[..., top : core.bottom, left : left + across.shape[3]] -= across
    gradient[..., top : core.bottom, left + 1 : left + 1 + across.shape[3]] += across


def _differences(pixels: Tensor, core: Window, proper: Window) -> tuple[Tensor, Tensor]:
    """To the pixel below and to the one on the right."""
    bottom, right = min(core.bottom, proper.bottom - 1), min(core.right, proper.right - 1)
    here = pixels[..., core.top : max(core.top, bottom), core.left : core.right]
    below = pixels[..., core.top + 1 : max(core.top, bottom) + 1, core.left : core.right]
    beside = pixels[..., core.top : core.bottom, core.left + 1 : max(core.left, right) + 1]
    return below - here, beside - pixels[..., core.top : core.bottom, core.left : max(core.left, right)]
