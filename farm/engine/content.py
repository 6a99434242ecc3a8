"""The content's features for the content term: kept as maps, or computed again for every tile.

Kept maps cost a net's width per position and save a forward pass down to the content's taps. Which one
it is, is the memory plan's decision; sums and gradients are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.frame import Frame
from farm.engine.gradient import Evaluator, Rows
from farm.engine.mesh import Mesh
from farm.engine.moments import Sums, add_sums, level_sums
from farm.engine.objective import ContentAt, Place
from farm.engine.patch import Patch
from farm.engine.tiling import Tile, Window


@dataclass(frozen=True)
class Source:
    """The content's pixels: rows of the picture from ``origin`` on, and the part a device works on.

    ``rows`` ``(1, 3, n, width)`` may be float16; the net gets them as ``dtype``.
    """

    evaluator: Evaluator
    frame: Frame
    rows: Tensor
    origin: int
    band: Rows | None
    taps: frozenset[str]
    halo: frozenset[str]
    """Taps that decide how far tiles see: all of the objective's, so that its tiles are these."""
    dtype: torch.dtype

    def tiles(self) -> Sequence[Tile]:
        """The tiles that this device works on."""
        return list(self.evaluator.tiling(self.frame, self.halo, self.band))

    @torch.no_grad()
    def features(self, inner: Window, outer: Window) -> dict[str, Features]:
        """Per tap, the features at the positions of ``inner``, for which the net sees ``outer``."""
        pixels = self.frame.window(self.rows, self.origin, outer).to(self.dtype)
        tape = self.evaluator.chain(self.taps).down(pixels)
        found = {}
        for tap in self.taps:
            local, place = self.evaluator.place(tap, inner, outer, self.frame)
            found[tap] = Features(self.evaluator.patch(tap, tape.at(tap), local), place)
        return found


@dataclass(frozen=True)
class Features:
    """A window of a map, and where it lies."""

    patch: Patch
    place: Place

    def at(self, place: Place) -> Tensor:
        """A window inside this one, ``(h, w, c)``; a view."""
        return self.patch.grid[place.window.within(self.place.window).slices]

    def alone(self) -> Features:
        """A copy without the rest of the map, which can go."""
        map_ = self.patch.grid.contiguous().permute(2, 0, 1)[None]
        inside = Window(0, map_.shape[2], 0, map_.shape[3])
        return Features(Patch(map_, inside, self.patch.sides), self.place)


@dataclass(frozen=True)
class Recomputed:
    """Runs the content's pixels through the net whenever a tile asks."""

    source: Source

    def of(self, tile: Tile, inner: Window, outer: Window) -> ContentAt:
        """The tile's features, computed at the first question."""
        found: dict[str, Features] = {}

        def at(tap: str, place: Place) -> Tensor:
            if not found:
                found.update(self.source.features(inner, outer))
            return found[tap].at(place)

        return at


class Kept:
    """Holds the features of every tile of this device's band."""

    def __init__(self, source: Source) -> None:
        self._tiles: dict[Window, dict[str, Features]] = {}
        for tile in source.tiles():
            found = source.features(tile.reach, tile.span)
            self._tiles[tile.core] = {tap: features.alone() for tap, features in found.items()}

    def of(self, tile: Tile, inner: Window, outer: Window) -> ContentAt:
        """The tile's features."""
        found = self._tiles[tile.core]
        return lambda tap, place: found[tap].at(place)


def levels(source: Source, mesh: Mesh) -> dict[str, Sums]:
    """Per tap ``(count, Σc, Σc²)`` of the whole content, summed over tiles and devices."""
    totals = {tap: level_sums(_nothing(source, tap)) for tap in sorted(source.taps)}
    for tile in source.tiles():
        for tap, features in source.features(tile.core, tile.near).items():
            add_sums([totals[tap]], [level_sums(features.patch)])
    summed = mesh.add([value for sums in totals.values() for value in sums])
    values = iter(value.to(source.dtype) for value in summed)
    return {tap: tuple(next(values) for _ in sums) for tap, sums in totals.items()}


def _nothing(source: Source, tap: str) -> Patch:
    width = source.evaluator.extractor.taps[tap].channels
    return Patch(source.rows.new_zeros(1, width, 0, 0, dtype=source.dtype), Window(0, 0, 0, 0))
