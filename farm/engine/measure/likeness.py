"""How like a picture is to another, and how like one order is to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_SIGMA, _REACH = 1.5, 5
_LUMA = (0.299, 0.587, 0.114)


def ssim(one: Tensor, other: Tensor) -> float:
    """Structural similarity of the luma of two ``(1, 3, h, w)`` pictures in [0, 1]; 1 for equal ones.

    Wang, Bovik, Sheikh and Simoncelli (2004), with their window: a Gaussian of 11 × 11 pixels.
    """
    bell = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
    bell = (bell / bell.sum()).to(one)
    weights = torch.tensor(_LUMA).to(one)[None, :, None, None]
    x, y = ((picture.float() * weights).sum(1, keepdim=True) for picture in (one, other))

    def blurred(value: Tensor) -> Tensor:
        lines = F.conv2d(value, bell[None, None, :, None])
        return F.conv2d(lines, bell[None, None, None, :])

    mean_x, mean_y = blurred(x), blurred(y)
    variance_x = blurred(x * x) - mean_x.square()
    variance_y = blurred(y * y) - mean_y.square()
    shared = blurred(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + 1e-4) * (2 * shared + 9e-4)
    energy = (mean_x.square() + mean_y.square() + 1e-4) * (variance_x + variance_y + 9e-4)
    return float((alike / energy).mean())


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's, of two rows of distinct numbers; 1 for the same order, −1 for the opposite one."""
    first, second = (np.argsort(np.argsort(row)) for row in (one, other))
    return float(np.corrcoef(first, second)[0, 1])
