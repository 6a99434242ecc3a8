"""The exact gradient of the objective, tile by tile in two passes.

Pass 1 adds up every tile's sums; the loss and its cotangents with respect to those sums are taken
once; pass 2 pulls them back to each tile's pixels. Because sums are additive and the chain rule is
linear this is the untiled gradient, to rounding (Galerne et al., "Scaling Painting Style Transfer",
2024). Over several devices each takes a band of tile rows, and the sums are added over the mesh between
the passes.

Pass 2 comes in two forms. A tile that sees twice the halo computes its own pixels' gradient whole, in
the very operations of the untiled one; with sums that do not depend on order (``blocks``) pictures are
then the same to the last bit in every layout, wherever convolutions are. Or a tile pulls back its own
features only and adds that gradient, halo included, into the whole: half the halo, other roundings.

Rows of the gradient are handed out as soon as no later tile can add to them, and no later tile reads
those pixels either: an optimiser may step them in place, and the whole gradient is never held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from farm.engine.blocks import Sides, block_sides
from farm.engine.extractor import RGB, Extractor
from farm.engine.frame import MARGIN, Frame
from farm.engine.mesh import Alone, Mesh
from farm.engine.moments import Sums, add_sums
from farm.engine.objective import ContentAt, Objective, Place
from farm.engine.patch import Patch
from farm.engine.tape import Chain, Tape
from farm.engine.tiling import TALL, WIDE, Tile, Tiling, Window, plan_tiling
from farm.engine.variation import add_variation_gradient, squared_differences

Rows = tuple[int, int]
Strip = tuple[int, Tensor]
"""First row, and what lies there and below: ``(1, 3, n, width)``."""


@dataclass(frozen=True)
class Gradient:
    """Loss as a 0-d tensor and its gradient, of the picture's shape."""

    loss: Tensor
    pixels: Tensor


@dataclass(frozen=True)
class Evaluator:
    """Computes objectives and their gradients.

    Args:
        tile: side of a tile's core in pixels, None for untiled.
        precision: of the convolutions; sums, losses and pixels stay float32 (float64 if given so).
        keep: tiles whose maps are kept from pass 1 to pass 2 instead of being computed again.
        tf32: lets a GPU round float32 convolutions to TensorFloat-32.
        recompute: the content's features are computed again for every tile instead of being kept.
        reproducible: the same bits in every layout whose tiles are not smaller than the grid, for twice
            the halo in pass 2.
        grid: rows and columns in pixels of the cells that sums are taken in; multiples of all strides.
    """

    extractor: Extractor
    tile: int | None = None
    precision: torch.dtype = torch.float32
    keep: int = 1
    tf32: bool = False
    recompute: bool = False
    reproducible: bool = True
    grid: Sides = (TALL, WIDE)

    def __call__(self, picture: Tensor, objective: Objective) -> Gradient:
        """Loss and gradient at ``(1, 3, h, w)`` in [0, 1], on one device."""
        sweep = self.sweep(picture, objective)
        pixels = torch.zeros_like(picture)
        for top, strip in sweep:
            pixels[..., top : top + strip.shape[2], :] = strip
        return Gradient(sweep.loss, pixels)

    def sweep(
        self, rows: Tensor, objective: Objective, *, origin: int = 0, band: Rows | None = None,
        mesh: Mesh | None = None,
    ) -> Sweep:  # fmt: skip
        """One gradient of the band ``[top, bottom)`` of the frame's rows (all of them if absent).

        ``rows`` are the picture's from row ``origin`` on: the band's, and a halo around.
        """
        return Sweep(self, rows, objective, origin, band, mesh or Alone(rows.device))

    def sums(self, picture: Tensor, objective: Objective) -> list[Sums]:
        """The objective's sums over the whole picture, in its precision."""
        return _as(picture.dtype, self.sweep(picture, objective).local_sums())

    def chain(self, taps: frozenset[str]) -> Chain:
        """The net down to the deepest of the taps, prepared once."""
        if taps not in self._chains:
            self._chains[taps] = Chain(self.extractor, taps, self.precision, tf32=self.tf32)
        return self._chains[taps]

    @cached_property
    def _chains(self) -> dict[frozenset[str], Chain]:
        return {}

    def tiling(self, frame: Frame, taps: frozenset[str], band: Rows | None = None) -> Tiling:
        """The tiles of a frame's band for these taps."""
        known = [self.extractor.taps[name] for name in taps]
        return plan_tiling(
            frame.rows, frame.columns, self.tile, band=band, grid=self.grid, margin=MARGIN,
            added=not self.reproducible,
            radius=max(tap.radius for tap in known), stride=max(tap.stride for tap in known),
        )  # fmt: skip

    def place(self, tap: str, inner: Window, outer: Window, frame: Frame) -> tuple[Window, Place]:
        """The positions of ``inner`` at a tap, less the margin: in ``outer``'s map, in the frame's."""
        stride = self.extractor.taps[tap].stride
        rows, columns = frame.rows // stride, frame.columns // stride
        inside = inner.intersection(frame.proper).coarsened(stride, rows, columns)
        local = inside.within(outer.coarsened(stride, rows, columns))
        place = inside.within(frame.proper.coarsened(stride, rows, columns))
        return local, Place(place, stride, frame.down, frame.across)

    def patch(self, tap: str, map_: Tensor, local: Window) -> Patch:
        """A window of a tap's map, with the blocks that its sums are taken in."""
        return Patch(map_, local, block_sides(self.extractor.taps[tap].stride, self.grid))


class Sweep:
    """One gradient under way: the loss first, then the pixels' gradient strip by strip.

    Every rank of the mesh makes one and runs through it, whether or not its band has rows.
    """

    def __init__(  # what one gradient is made of
        self, evaluator: Evaluator, rows: Tensor, objective: Objective, origin: int,
        band: Rows | None, mesh: Mesh,
    ) -> None:  # fmt: skip
        self._evaluator, self._rows, self._objective = evaluator, rows, objective
        self._origin, self._mesh = origin, mesh
        self._frame = objective.frame
        self._chain = evaluator.chain(objective.taps)
        self._tiling = evaluator.tiling(self._frame, objective.taps, band)
        self._kept: dict[Tile, Tape] = {}
        self._known: tuple[Tensor, list[object]] | None = None
        frame = self._frame
        self._shade = objective.variation / ((frame.height - frame.down) * (frame.width - frame.across))

    @property
    def loss(self) -> Tensor:
        """The loss of the whole picture, the same on every rank; 0-d."""
        return self._outcome()[0]

    def _outcome(self) -> tuple[Tensor, list[object]]:
        """The loss, and what the terms add to gradients: pass 1, made once.

        By hand and not by ``cached_property``, whose lock all instances share: a rank that waits for
        the others in here would keep them from coming.
        """
        if self._known is None:
            self._known = self._first_pass()
        return self._known

    def _first_pass(self) -> tuple[Tensor, list[object]]:
        found = self.local_sums(keep=self._evaluator.keep)
        rough = self._roughness()
        flat = self._mesh.add([rough, *(value for sums in found for value in sums)])
        values = iter(flat[1:])
        whole = _as(rough.dtype, [tuple(next(values) for _ in sums) for sums in found])
        loss, cotangents = self._objective.cotangents(whole)
        return loss + self._shade * flat[0], self._slopes(whole, cotangents)

    @torch.no_grad()
    def local_sums(self, keep: int = 0) -> list[Sums]:
        """The sums over this band alone, float64; the first ``keep`` tiles' maps stay for pass 2."""
        total = self._no_sums()
        for tile in self._tiling:
            stays = len(self._kept) < keep
            outer = tile.span if stays else tile.near
            tape = self._chain.down(self._pixels(outer))
            add_sums(total, self._tile_sums(tile, outer, tape))
            if stays:
                self._kept[tile] = tape
        return total

    @torch.no_grad()
    def __iter__(self) -> Iterator[Strip]:
        """Pass 2: strips of the gradient, top to bottom, each row once, as soon as it is final."""
        _, slopes = self._outcome()
        strips = _Strips(self._rows, self._origin)
        rows = list(self._tiling.rows)
        for number, row in enumerate(rows):
            for tile in row:
                tape = self._kept.pop(tile, None) or self._chain.down(self._pixels(tile.span))
                strips.add(*self._pulled(tile, tape, slopes))
            last = number + 1 == len(rows)
            yield from strips.ready(None if last else self._final_before(rows[number + 1][0]))
        if not rows:
            yield from strips.ready(None)

    def _final_before(self, following: Tile) -> int:
        """Rows of the picture above this one are neither changed nor read by that tile or later ones.

        The last rows also get what the reflection below them adds.
        """
        reached = self._frame.down + following.span.top - MARGIN
        return min(reached, self._frame.height - MARGIN - 1)

    def _pixels(self, window: Window) -> Tensor:
        return self._frame.window(self._rows, self._origin, window)

    def _tile_sums(self, tile: Tile, outer: Window, tape: Tape) -> list[Sums]:
        objective, evaluator = self._objective, self._evaluator
        content = self._content(tile, tile.core, outer)
        places = {tap: evaluator.place(tap, tile.core, outer, self._frame) for tap in objective.taps}
        patches = {tap: evaluator.patch(tap, tape.at(tap), local) for tap, (local, _) in places.items()}
        return [term.sums(patches[term.tap], places[term.tap][1], content) for term in objective.terms]

    def _pulled(self, tile: Tile, tape: Tape, slopes: list[object]) -> tuple[int, int, Tensor]:
        """First row, first column, and from there on the gradient that this tile has to add."""
        content = self._content(tile, tile.reach, tile.span)
        pairs = list(zip(self._objective.terms, slopes, strict=True))

        def add(tap: str, map_: Tensor, gradient: Tensor) -> None:
            local, place = self._evaluator.place(tap, tile.reach, tile.span, self._frame)
            here, there = Patch(map_, local), Patch(gradient, local)
            for term, known in pairs:
                if term.tap == tap:
                    term.add(here, there, place, content, known)

        source = tape.pixels
        pixels = self._chain.up(tape, add)
        if self._factor != 1:
            pixels /= self._factor
        add_variation_gradient(source, *self._local(tile.reach, tile.span), self._shade, pixels)
        if self._tiling.added:
            return self._frame.fold(pixels, tile.span)
        down, across = tile.core.within(tile.span).slices
        return self._frame.fold(pixels[..., down, across], tile.core)

    @property
    def _factor(self) -> float:
        """Gradients of a mean over millions of pixels would vanish in float16; this keeps them."""
        narrow = self._evaluator.precision == torch.float16
        return float(self._frame.height * self._frame.width) if narrow else 1.0

    def _slopes(self, whole: list[Sums], cotangents: list[Sums]) -> list[object]:
        """What each term adds to gradients, in the precision of its tap's map."""
        found = []
        for term, sums, cotangent in zip(self._objective.terms, whole, cotangents, strict=True):
            kind = self._rows.dtype if term.tap == RGB else self._evaluator.precision
            scaled = tuple(value * self._factor for value in cotangent)
            found.append(term.slopes(sums, scaled, kind))
        return found

    def _roughness(self) -> Tensor:
        """This band's part of the sum of squared differences."""
        total = self._rows.new_zeros(())
        if self._objective.variation:
            for tile in self._tiling:
                local = self._local(tile.core, tile.near)
                total = total + squared_differences(self._pixels(tile.near), *local)
        return total

    def _local(self, inner: Window, outer: Window) -> tuple[Window, Window]:
        """``inner`` and the picture proper as far as ``outer`` goes, in the pixels of that."""
        proper = self._frame.proper
        inside = inner.intersection(proper).within(outer)
        return inside, proper.intersection(outer).within(outer)

    def _content(self, tile: Tile, inner: Window, outer: Window) -> ContentAt:
        content = self._objective.content
        return _no_content if content is None else content.of(tile, inner, outer)

    def _no_sums(self) -> list[Sums]:
        """What a band without rows adds: nothing, in the right shapes."""
        extractor, precision = self._evaluator.extractor, self._evaluator.precision

        def nothing(tap: str, place: Place) -> Tensor:
            kind = self._rows.dtype if tap == RGB else precision
            return self._rows.new_zeros(0, 0, extractor.taps[tap].channels, dtype=kind)

        empty = Place(Window(0, 0, 0, 0), 1)
        maps = [nothing(term.tap, empty).permute(2, 0, 1)[None] for term in self._objective.terms]
        return [
            term.sums(Patch(map_, empty.window), empty, nothing)
            for term, map_ in zip(self._objective.terms, maps, strict=True)
        ]


class _Strips:
    """Gradient rows that tiles still add to."""

    def __init__(self, rows: Tensor, origin: int) -> None:
        self._like, self._top = rows, origin
        self._end = origin + rows.shape[2]
        self._rows = rows.new_zeros(*rows.shape[:2], 0, rows.shape[3])

    def add(self, top: int, left: int, gradient: Tensor) -> None:
        """Add a tile's gradient at its place, making room below."""
        missing = top + gradient.shape[2] - self._top - self._rows.shape[2]
        if missing > 0:
            self._rows = functional.pad(self._rows, (0, 0, 0, missing))
        first = top - self._top
        window = self._rows[..., first : first + gradient.shape[2], left : left + gradient.shape[3]]
        window.add_(gradient)

    def ready(self, before: int | None) -> Iterator[Strip]:
        """The rows above ``before``, which are kept no longer; None for all there are."""
        if before is None:
            missing = max(0, self._end - self._top - self._rows.shape[2])
            done = functional.pad(self._rows, (0, 0, 0, missing))
            self._rows = self._rows[:, :, :0]
        else:
            count = max(0, min(before - self._top, self._rows.shape[2]))
            done, self._rows = self._rows[:, :, :count], self._rows[:, :, count:].clone()
        if done.shape[2]:
            yield self._top, done
            self._top += done.shape[2]


def _as(kind: torch.dtype, sums: list[Sums]) -> list[Sums]:
    return [tuple(value.to(kind) for value in found) for found in sums]


def _no_content(tap: str, place: Place) -> Tensor:
    raise AssertionError(f"a content term reads {tap}, but the objective has no content")
