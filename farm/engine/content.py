"""The content's features for the content term: kept as maps, or computed again for every tile.

Kept maps cost a net's width per position and save a forward pass down to the content's taps. Which one
it is, is the memory plan's decision; sums and gradients are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.frame import Frame
from farm.engine.gradient import Evaluator, Rows
from farm.engine.mesh import Mesh
from farm.engine.moments import Sums, level_sums
from farm.engine.objective import ContentAt, Place
from farm.engine.patch import Patch
from farm.engine.tiling import Tile


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
    def features(self, tile: Tile) -> dict[str, tuple[Tensor, Place]]:
        """Per tap, ``(n, c)`` features of the tile's own positions, and their place."""
        pixels = self.frame.window(self.rows, self.origin, tile.span).to(self.dtype)
        tape = self.evaluator.chain(self.taps).down(pixels)
        found = {}
        for tap in self.taps:
            local, place = self.evaluator.place(tap, tile, self.frame)
            found[tap] = Patch(tape.at(tap), local).flat, place
        return found


@dataclass(frozen=True)
class Recomputed:
    """Runs the content's pixels through the net whenever a tile asks."""

    source: Source

    def of(self, tile: Tile) -> ContentAt:
        """The tile's features, computed at the first question."""
        return _once(lambda: {tap: flat for tap, (flat, _) in self.source.features(tile).items()})


class Kept:
    """Holds the features of every tile of this device's band."""

    def __init__(self, source: Source) -> None:
        self._tiles = {
            (tile.core.top, tile.core.left): {
                tap: flat for tap, (flat, _) in source.features(tile).items()
            }
            for tile in source.tiles()
        }

    def of(self, tile: Tile) -> ContentAt:
        """The tile's features."""
        found = self._tiles[tile.core.top, tile.core.left]
        return lambda tap, place: found[tap]


def levels(source: Source, mesh: Mesh) -> dict[str, Sums]:
    """Per tap ``(count, Σc, Σc²)`` of the whole content, summed over tiles and devices."""
    totals: dict[str, list[Tensor]] = {}
    for tile in source.tiles():
        for tap, (flat, _) in source.features(tile).items():
            found = level_sums(flat)
            if tap in totals:
                totals[tap] = [a + b for a, b in zip(totals[tap], found, strict=True)]
            else:
                totals[tap] = list(found)
    for tap in source.taps - totals.keys():
        width = source.evaluator.extractor.taps[tap].channels
        totals[tap] = list(level_sums(source.rows.new_zeros(0, width, dtype=source.dtype)))
    names = sorted(totals)
    summed = mesh.add([value for tap in names for value in totals[tap]])
    return {tap: tuple(summed[3 * i : 3 * i + 3]) for i, tap in enumerate(names)}


def _once(compute: Callable[[], dict[str, Tensor]]) -> ContentAt:
    found: dict[str, Tensor] = {}

    def at(tap: str, place: Place) -> Tensor:
        if not found:
            found.update(compute())
        return found[tap]

    return at
