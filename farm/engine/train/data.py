"""Training material: photographs and procedural pictures as one pool of 8-bit tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from farm.catalog import procedural


@dataclass(frozen=True)
class Recipe:
    """Which procedural picture: a generator's name, a seed and the side in pixels."""

    generator: str
    seed: int
    side: int


def make(recipe: Recipe) -> np.ndarray:
    """The picture, ``(side, side, 3)`` uint8."""
    picture = procedural.picture(recipe.generator, recipe.seed, recipe.side, recipe.side)
    return (picture * 255 + 0.5).astype(np.uint8)


def generated(recipes: Sequence[Recipe], workers: int) -> Tensor:
    """The procedural pictures of equal side as ``(n, 3, side, side)`` uint8."""
    with ProcessPoolExecutor(workers) as pool:
        pictures = list(pool.map(make, recipes, chunksize=8))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def crops(
    pictures: Iterable[Tensor], per_picture: int, side: int, generator: torch.Generator
) -> Tensor:
    """Random square crops of ``(3, h, w)`` pictures in [0, 1], resized to ``side``, as uint8.

    Each crop covers a random 0.4-1.0 of the shorter edge, so a photograph is seen at several scales.
    """
    found = []
    for picture in pictures:
        height, width = picture.shape[-2:]
        for _ in range(per_picture):
            share = 0.4 + 0.6 * torch.rand((), generator=generator).item()
            edge = max(32, int(min(height, width) * share))
            top = int(torch.randint(height - edge + 1, (), generator=generator))
            left = int(torch.randint(width - edge + 1, (), generator=generator))
            crop = picture[None, :, top : top + edge, left : left + edge]
            resized = F.interpolate(crop, (side, side), mode="bilinear", antialias=True)
            found.append((resized[0] * 255).round().to(torch.uint8))
    return torch.stack(found)


def warp(pictures: Tensor, side: int, generator: torch.Generator, zoom: tuple[float, float]) -> Tensor:
    """Random views, turned, mirrored and zoomed: ``(n, 3, S, S)`` uint8 → ``(n, 3, side, side)``.

    ``zoom`` bounds the share of the picture's side that a view covers.
    """
    count = len(pictures)
    spin = (torch.rand(count, generator=generator) - 0.5) * math.pi / 3
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    share = zoom[0] + (zoom[1] - zoom[0]) * torch.rand(count, generator=generator)
    stretch = 1 + 0.2 * (torch.rand(count, generator=generator) - 0.5)
    reach = (1 - share).clamp_min(0)
    shift = (torch.rand(count, 2, generator=generator) * 2 - 1) * reach[:, None]
    rows = torch.stack(
        [
            torch.stack([share * mirror * stretch * spin.cos(), -share * spin.sin(), shift[:, 0]], 1),
            torch.stack([share * mirror * spin.sin(), share / stretch * spin.cos(), shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(rows.to(pictures.device), [count, 3, side, side], align_corners=False)
    source = pictures.float() / 255
    return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def recolour(pictures: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Random exposure, contrast and white balance; ``strength`` 0.2 is a plausible camera."""
    count = len(pictures)
    gain = 1 + strength * (2 * torch.rand(count, 1, 1, 1, generator=generator) - 1)
    balance = 1 + strength / 2 * (2 * torch.rand(count, 3, 1, 1, generator=generator) - 1)
    lift = strength / 2 * (2 * torch.rand(count, 1, 1, 1, generator=generator) - 1)
    gain, balance, lift = (part.to(pictures.device) for part in (gain, balance, lift))
    return ((pictures - 0.5) * gain * balance + 0.5 + lift).clamp(0, 1)
