"""What is minimised: style and content terms, each a loss over additive sums at one tap.

A term sees the features of a window and knows the adjoint of its sums, so that gradients need no
autograd through the features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.frame import Frame
from farm.engine.losses import StyleLoss, content_loss
from farm.engine.moments import (
    Moments,
    Slopes,
    Sums,
    add_style_gradient,
    content_pull,
    content_sums,
    style_slopes,
    style_sums,
)
from farm.engine.patch import Patch
from farm.engine.tiling import Tile, Window


@dataclass(frozen=True)
class Place:
    """Where features lie: a window of a tap's map of the picture proper, in the map's steps.

    ``down`` and ``across`` are the rows and columns that the frame leaves out.
    """

    window: Window
    stride: int
    down: int = 0
    across: int = 0

    @property
    def pixels(self) -> Window:
        """The same window in the picture's own pixels."""
        window, stride = self.window, self.stride
        return Window(
            self.down + window.top * stride,
            self.down + window.bottom * stride,
            self.across + window.left * stride,
            self.across + window.right * stride,
        )


ContentAt = Callable[[str, Place], Tensor]
"""The content's features at a tap and a place, ``(h, w, c)``."""


class Content(Protocol):
    """Where the content's features come from: kept maps, or its pixels through the net again."""

    def of(self, tile: Tile, inner: Window, outer: Window) -> ContentAt:
        """The features at a tile's ``inner`` positions, for which the net must see ``outer``."""
        ...


class Term(Protocol):
    """One summand of the objective."""

    @property
    def tap(self) -> str:
        """The tap whose features it reads."""
        ...

    @property
    def weight(self) -> float:
        """What its loss is multiplied by."""
        ...

    def sums(self, patch: Patch, place: Place, content: ContentAt) -> Sums:
        """Additive sums over the features of a patch that lies at ``place``."""
        ...

    def slopes(self, sums: Sums, cotangents: Sums, kind: torch.dtype) -> object:
        """What ``add`` needs to know of whole-picture sums and the loss's gradient there."""
        ...

    def add(self, patch: Patch, gradient: Patch, place: Place, content: ContentAt, slopes: Any) -> None:
        """Add the loss's gradient with respect to the patch's features, in place."""
        ...

    def loss(self, sums: Sums) -> Tensor:
        """The scalar loss of sums added up over the whole picture."""
        ...


@dataclass(frozen=True)
class StyleTerm:
    """The statistics at one tap, inside one mask, against one or several weighted styles.

    ``mask`` is ``(h, w)``, of the whole picture's size.
    """

    tap: str
    weight: float
    targets: Sequence[tuple[float, Moments]]
    distance: StyleLoss
    mask: Tensor | None = None

    def sums(self, patch: Patch, place: Place, content: ContentAt) -> Sums:
        """``(count, Σ w f, Σ w f fᵀ)`` there."""
        return style_sums(patch, self._inside(place), self.energy)

    def slopes(self, sums: Sums, cotangents: Sums, kind: torch.dtype) -> Slopes:
        """A matrix and a vector."""
        return style_slopes(sums, cotangents, kind)

    def add(
        self, patch: Patch, gradient: Patch, place: Place, content: ContentAt, slopes: Slopes
    ) -> None:
        """Adds ``w (b + A f)``."""
        mask = self._inside(place)
        add_style_gradient(patch, gradient, None if mask is None else mask.flatten(), slopes)

    def loss(self, sums: Sums) -> Tensor:
        """The weighted mean of the distances to the styles."""
        found = Moments.of(sums)
        parts = [share * self.distance(found, target) for share, target in self.targets]
        return torch.stack(parts).sum()

    def _inside(self, place: Place) -> Tensor | None:
        if self.mask is None:
            return None
        return mask_at(self.mask[place.pixels.slices], place.stride)

    @property
    def energy(self) -> Tensor | None:
        """The mean of ``f²`` per channel in the style that has most of it, None without a style."""
        found = [target.second.diagonal() for _, target in self.targets]
        return torch.stack(found).amax(0) if found else None


@dataclass(frozen=True)
class ContentTerm:
    """Instance-normalised features at one tap against those of the content.

    ``level`` is ``(count, Σc, Σc²)`` of the whole content, which never changes.
    """

    tap: str
    weight: float
    level: Sums = field(repr=False)

    def sums(self, patch: Patch, place: Place, content: ContentAt) -> Sums:
        """``(Σg, Σg², Σgc)`` per channel there."""
        count, _, square = self.level
        return content_sums(patch, content(self.tap, place), square / count)

    def slopes(self, sums: Sums, cotangents: Sums, kind: torch.dtype) -> Sums:
        """The cotangents as they are."""
        return cotangents

    def add(
        self, patch: Patch, gradient: Patch, place: Place, content: ContentAt, slopes: Sums
    ) -> None:
        """Adds ``a + 2 b g + d c``."""
        wanted = content(self.tap, place).reshape(-1, patch.channels)
        gradient.add(content_pull(patch.flat, wanted, slopes))

    def loss(self, sums: Sums) -> Tensor:
        """One minus the mean correlation."""
        count, level, square = self.level
        return content_loss((count, *sums, level, square))


@dataclass(frozen=True)
class Objective:
    """All terms, and the weight of total variation on the pixels, for one frame of the picture.

    ``variation`` weighs the mean squared difference of 4-neighbours. ``content`` knows the content's
    features; an objective without content terms does without.
    """

    frame: Frame
    terms: Sequence[Term]
    variation: float = 0.0
    content: Content | None = None

    @property
    def taps(self) -> frozenset[str]:
        """The taps that the terms read."""
        return frozenset(term.tap for term in self.terms)

    def loss(self, sums: Sequence[Sums]) -> Tensor:
        """The weighted sum of the terms' losses, without total variation."""
        parts = [term.weight * term.loss(found) for term, found in zip(self.terms, sums, strict=True)]
        return torch.stack(parts).sum()

    def cotangents(self, sums: Sequence[Sums]) -> tuple[Tensor, list[Sums]]:
        """The loss of whole-picture sums, and its gradient with respect to each of them."""
        leaves = [tuple(value.detach().requires_grad_() for value in found) for found in sums]
        with torch.enable_grad():
            loss = self.loss(leaves)
        flat = [value for found in leaves for value in found]
        slopes = iter(torch.autograd.grad(loss, flat, materialize_grads=True))
        return loss.detach(), [tuple(next(slopes) for _ in found) for found in leaves]


def mask_at(mask: Tensor, stride: int) -> Tensor:
    """A ``(h, w)`` mask averaged down to a feature map's ``(h // stride, w // stride)``."""
    rows, columns = mask.shape[0] // stride, mask.shape[1] // stride
    if not rows or not columns:
        return mask.new_zeros(rows, columns)
    return F.avg_pool2d(mask[None, None], stride)[0, 0] if stride > 1 else mask
