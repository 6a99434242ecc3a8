"""Additive spatial sums of features, and what style losses need from them.

Everything here is a sum over positions, so it can be taken tile by tile or device by device and
added; that is what makes the tiled gradient exact. Features come as ``(n, c)``: a row per position.

Each kind of sums comes with its adjoint: from ``∂L/∂sums`` to ``∂L/∂features``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.patch import Patch

Sums = tuple[Tensor, ...]
"""Additive sums of one term, each of fixed shape whatever the window."""

_BLOCKS, _LEAST_BLOCK, _MOST_BLOCK = 32, 128, 1024
_LOW = (torch.bfloat16, torch.float16)


def accumulator(features: Tensor) -> Tensor:
    """Features in the precision that sums are taken in: float32, or float64 where given."""
    return features if features.dtype == torch.float64 else features.float()


def products(a: Tensor, b: Tensor) -> Tensor:
    """``Σ aᵀ b`` of ``(n, c)`` and ``(n, d)``: ``(c, d)`` in float32, or float64 where given.

    Matrix products of 16-bit numbers add up in float32 but hand back 16 bits. Taken in blocks of
    positions whose results are added in float32, those roundings (2⁻⁹ at most) average out.
    Casting the features instead takes several times as long.
    """
    if a.dtype not in _LOW:
        return a.T @ b
    block = min(_MOST_BLOCK, max(_LEAST_BLOCK, a.shape[0] // _BLOCKS))
    blocks, width = a.shape[0] // block, a.shape[1]
    total = a.new_zeros(width, b.shape[1], dtype=torch.float32)
    whole = blocks * block
    if blocks:
        left = a[:whole].view(blocks, block, width).transpose(1, 2)
        total += torch.bmm(left, b[:whole].view(blocks, block, -1)).sum(0, dtype=torch.float32)
    if whole < a.shape[0]:
        total += a[whole:].float().T @ b[whole:].float()
    return total


def style_sums(patch: Patch, weight: Tensor | None = None) -> Sums:
    """``(count, Σ w f, Σ w f fᵀ)`` of a window's features: shapes ``()``, ``(c,)``, ``(c, c)``.

    ``weight`` is a mask ``(n,)`` of the window's positions, 1 everywhere if absent.
    """
    if weight is None and patch.wide:
        whole, edges = _plain_sums(patch.rows), _plain_sums(patch.edges)
        return tuple(a - b for a, b in zip(whole, edges, strict=True))
    features = patch.flat
    if weight is None:
        return _plain_sums(features)
    mask = weight.to(features.dtype)[:, None]
    count = weight.to(_kind(features)).sum()
    return count, products(mask, features)[0], products(features * mask, features)


def _plain_sums(features: Tensor) -> Sums:
    one = features.new_ones(features.shape[0], 1)
    count = features.new_tensor(float(features.shape[0]), dtype=_kind(features))
    return count, products(one, features)[0], products(features, features)


@dataclass(frozen=True)
class Slopes:
    """``∂L/∂f = w (b + A f)`` at a tap: ``b`` ``(c,)`` and ``A`` ``(c, c)`` in the map's precision."""

    vector: Tensor
    matrix: Tensor


def style_slopes(sums: Sums, cotangents: Sums, kind: torch.dtype) -> Slopes:
    """What cotangents of style sums mean for features: ``b`` is theirs, and ``A = C + Cᵀ``.

    Where ``A`` must be rounded to 16 bits, ``b`` takes up the difference at the features' mean, so that
    what is left of the rounding multiplies deviations and not levels.
    """
    count, first, _ = sums
    _, vector, matrix = cotangents
    matrix = matrix + matrix.T
    rounded = matrix.to(kind)
    if kind in _LOW:
        vector = vector + (matrix - rounded.float()) @ (first / count.clamp_min(1e-6))
    return Slopes(vector.to(kind), rounded)


def add_style_gradient(patch: Patch, gradient: Patch, weight: Tensor | None, slopes: Slopes) -> None:
    """Add ``w (b + A f)`` at every position of the window to ``gradient``, in place."""
    if weight is None and patch.wide and gradient.wide:
        edges = gradient.edges
        gradient.rows.addmm_(patch.rows, slopes.matrix).add_(slopes.vector)
        gradient.put_edges(edges)
        return
    pulled = torch.addmm(slopes.vector, patch.flat, slopes.matrix)
    gradient.add(pulled if weight is None else pulled * weight.to(pulled.dtype)[:, None])


@dataclass(frozen=True)
class Moments:
    """Mean ``(c,)`` and second raw moment per position ``(c, c)`` of features."""

    mean: Tensor
    second: Tensor

    @classmethod
    def of(cls, sums: Sums) -> Moments:
        """The moments of sums that were added up over the whole picture."""
        count, first, second = sums
        count = count.clamp_min(1e-6)
        return cls(first / count, second / count)

    @property
    def covariance(self) -> Tensor:
        """``E[f fᵀ] − E[f] E[f]ᵀ``, ``(c, c)``."""
        return self.second - torch.outer(self.mean, self.mean)


def level_sums(features: Tensor) -> Sums:
    """``(count, Σc, Σc²)`` per channel of the content's ``(n, c)`` features."""
    wide = accumulator(features)
    count = wide.new_tensor(float(wide.shape[0]))
    return count, wide.sum(0), wide.square().sum(0)


def content_sums(features: Tensor, target: Tensor) -> Sums:
    """``(Σg, Σg², Σgc)`` per channel of ``(n, c)`` features and the content's at the same positions."""
    picture, wanted = accumulator(features), accumulator(target)
    return picture.sum(0), picture.square().sum(0), (picture * wanted).sum(0)


def content_pull(features: Tensor, target: Tensor, cotangents: Sums) -> Tensor:
    """``∂/∂g ⟨cotangents, content sums⟩ = a + 2 b g + d c``, of the features' shape and precision."""
    level, square, cross = cotangents
    pulled = torch.addcmul(level, accumulator(features), 2 * square)
    return pulled.addcmul_(accumulator(target), cross).to(features.dtype)


def add_sums(total: Sequence[Sums], part: Sequence[Sums]) -> None:
    """Add the sums of a window to a total, in place.

    One total that was there before the first tile: small tensors that outlive each tile would lie
    scattered among its large ones, and memory grow with the number of tiles.
    """
    for whole, found in zip(total, part, strict=True):
        for value, more in zip(whole, found, strict=True):
            value.add_(more)


def _kind(features: Tensor) -> torch.dtype:
    return torch.float64 if features.dtype == torch.float64 else torch.float32
