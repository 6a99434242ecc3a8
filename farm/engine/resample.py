"""Resampling of pictures, any rows of the result from just the source rows that they need.

Bicubic (Keys 1981, a = −½) or bilinear, with kernels that widen when shrinking so that every source
pixel counts. That is what ``torch.nn.functional.interpolate`` gives with ``antialias=True``, which
takes Pillow's a = −½ when enlarging too, and not the −¾ of its plain bicubic. But torch reckons
coordinates in the pixels' precision, which is coarse on long lines, and here they are float64.

Whatever rows are asked for, they come out bit for bit the same: each pixel is a sum of products in a
fixed order, rounded after every one, and never a matrix product, whose rounding follows its shape.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from farm.engine.mesh import Rows

_REACH = {"bicubic": 2.0, "bilinear": 1.0}
"""Half of a kernel's width, in pixels of the coarser grid."""
_SHARPNESS = -0.5
"""Keys's a: reproduces quadratics."""
_BLOCK = 64
"""Rows of the result that are worked on at once; what temporaries are a small multiple of."""


def resample(picture: Tensor, height: int, width: int, *, kind: str = "bicubic") -> Tensor:
    """A picture ``(1, c, h, w)`` at ``height × width``; always a new tensor of its dtype.

    Bicubic overshoots beside edges, bilinear never leaves the range of what it is given.
    """
    rows = picture.shape[2]
    return resample_rows(picture, 0, rows, height, width, 0, height, kind=kind)


@torch.no_grad()
def resample_rows(  # noqa: PLR0913  # a source, its place, the whole's size, and the rows wanted
    source: Tensor, source_top: int, source_height: int, height: int, width: int, top: int, bottom: int,
    *, kind: str = "bicubic",
) -> Tensor:  # fmt: skip
    """Rows ``[top, bottom)`` of a whole picture resampled to ``height × width``.

    Sums are float32, or float64 where the source is; the result has the source's dtype. Equal sizes
    give a copy of the rows.

    Args:
        source: ``(1, c, n, w)``, rows ``[source_top, source_top + n)`` of the ``source_height`` rows of
            the whole; those of ``source_rows`` at least.
        kind: ``bicubic`` or ``bilinear``.

    Raises:
        ValueError: source rows are missing, or there is no such kind.
    """
    if kind not in _REACH:
        raise ValueError(f"kind {kind!r} is unknown; take one of {', '.join(_REACH)}")
    first, end = source_rows(source_height, height, top, bottom)
    if first < end and not source_top <= first < end <= source_top + source.shape[2]:
        have = (source_top, source_top + source.shape[2])
        raise ValueError(f"rows {top} to {bottom} need source rows {(first, end)}, not {have}")
    inner = torch.promote_types(source.dtype, torch.float32)
    down = _taps(source_height, height, kind)
    across = _prepared(_taps(source.shape[3], width, kind), inner, source.device)
    found = source.new_empty(*source.shape[:2], bottom - top, width)
    for low in range(top, bottom, _BLOCK):
        high = min(low + _BLOCK, bottom)
        if source_height == height:
            block = source[:, :, low - source_top : high - source_top].to(inner)
        else:
            places, weights = _prepared((down[0][low:high], down[1][low:high]), inner, source.device)
            block = _weighted(source, 2, places - source_top, weights)
        found[:, :, low - top : high - top] = (
            block if source.shape[3] == width else _across(block, *across)
        )
    return found


def source_rows(source_height: int, height: int, top: int, bottom: int) -> Rows:
    """The rows of a source that rows ``[top, bottom)`` of its resampled picture are made of.

    Raises:
        ValueError: the result has no such rows.
    """
    if not 0 <= top <= bottom <= height:
        raise ValueError(f"a picture of {height} rows has no rows {top} to {bottom}")
    if top == bottom:
        return 0, 0
    if source_height == height:
        return top, bottom
    places, _ = _taps(source_height, height, "bicubic")
    return int(places[top, 0]), int(places[bottom - 1, -1]) + 1


@lru_cache(maxsize=16)
def _taps(source: int, target: int, kind: str) -> tuple[Tensor, Tensor]:
    """Where on a line of ``source`` pixels each of ``target`` is taken from, and with which weights.

    Two tensors ``(target, n)``: indices that never fall, and float64 weights that add up to 1. Kernels
    are cut off at the border; what is missing there of the ``n`` has weight 0.
    """
    stretch = max(source / target, 1.0)
    reach = _REACH[kind] * stretch
    centres = (torch.arange(target, dtype=torch.float64) + 0.5) * (source / target)
    first = (centres - reach + 0.5).long().clamp(min=0)
    end = (centres + reach + 0.5).long().clamp(max=source)
    places = first[:, None] + torch.arange(int((end - first).max()))
    distances = ((places - centres[:, None] + 0.5) / stretch).abs()
    weights = _cubic(distances) if kind == "bicubic" else (1 - distances).clamp(min=0)
    weights = weights.masked_fill(places >= end[:, None], 0)
    return places.minimum(end[:, None] - 1), weights / weights.sum(1, keepdim=True)


def _cubic(distances: Tensor) -> Tensor:
    """Keys's kernel at distances of 0 or more."""
    x, a = distances, _SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _prepared(
    taps: tuple[Tensor, Tensor], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Indices and weights tap by tap, ``(n, target)`` and ``(n, target, 1)``."""
    places, weights = (part.T.contiguous() for part in taps)
    return places.to(device), weights[:, :, None].to(device, dtype)


def _across(block: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """A block ``(1, c, n, w)`` resampled along its rows."""
    # Columns become rows: whole runs of memory are fetched then instead of single values.
    columns = block.permute(3, 0, 1, 2)
    found = _weighted(columns.flatten(1), 0, places, weights)
    return found.view(-1, *columns.shape[1:]).permute(1, 2, 3, 0)


def _weighted(source: Tensor, axis: int, places: Tensor, weights: Tensor) -> Tensor:
    """``Σ_k weights[k] · source[places[k]]`` along an axis.

    Product and sum are two operations, since one that did both might round once or twice.
    """
    total = None
    for place, weight in zip(places, weights, strict=True):
        term = source.index_select(axis, place).to(weight.dtype).mul_(weight)
        total = term if total is None else total.add_(term)
    assert total is not None
    return total
