"""One scale as a rank sees it, and one iteration on it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from farm.engine.content import Kept, Recomputed, Source, levels
from farm.engine.frame import Frame
from farm.engine.gradient import Evaluator
from farm.engine.halo import Halo
from farm.engine.layout import Layout, plan_layout
from farm.engine.memory import lasting
from farm.engine.mesh import Mesh
from farm.engine.objective import ContentTerm, Objective, Term
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.engine.resample import resample_rows
from farm.engine.state import State
from farm.engine.styles import Style, style_moments, style_terms

log = logging.getLogger(__name__)

SHIFTS = ((0, 0), (3, 5), (6, 2), (5, 7))
"""Pixels that are left out at the top and the left, by turns.

Pools see the picture through a grid, and optimisation locks patterns to it that show as dots and
crosses. Moving the grid from iteration to iteration averages them away.
"""
SHIFTED_FROM = 64
"""Shorter sides than this, in pixels, are not worth shifting."""
_ROWS = 256
LEAST_TILE = 64
"""Side in pixels below which halving tiles saves nothing: the halo is larger."""


def frames(scale: Scale, recipe: Recipe) -> list[Frame]:
    """How iterations take turns at seeing the picture.

    L-BFGS compares gradients of successive iterations, which must be of one function.
    """
    shifted = min(scale.height, scale.width) >= SHIFTED_FROM and recipe.optimiser == "adam"
    return [Frame(scale.height, scale.width, *shift) for shift in (SHIFTS if shifted else SHIFTS[:1])]


def layout_for(scale: Scale, evaluator: Evaluator, recipe: Recipe, speeds: Sequence[float]) -> Layout:
    """The bands of a scale."""
    turns = frames(scale, recipe)
    tiling = evaluator.tiling(turns[0], recipe.taps)
    stride = max(evaluator.extractor.taps[tap].stride for tap in recipe.taps)
    step = evaluator.grid[0] if evaluator.reproducible else stride
    return plan_layout(turns, tiling, step, speeds)


class Scene:
    """The objectives of one scale, one per frame, and this rank's part of the picture.

    ``content`` ``(1, 3, h, w)`` may be of any size. ``evaluator`` changes when memory runs out.
    """

    def __init__(  # what a scale is made of
        self, content: Tensor, styles: Sequence[Style], evaluator: Evaluator, recipe: Recipe,
        scale: Scale, mesh: Mesh, speeds: Sequence[float],
    ) -> None:  # fmt: skip
        self.evaluator, self.mesh = evaluator, mesh
        self.layout = layout_for(scale, evaluator, recipe, speeds)
        self.halo = Halo(mesh, self.layout.owned, self.layout.needed)
        self._styles, self._recipe, self._scale = styles, recipe, scale
        self._content = content
        self.objectives: list[Objective] = []
        self._prepare()

    def _prepare(self) -> None:
        """Make the objectives, with smaller tiles where memory runs out."""
        while True:
            try:
                self.objectives = self._objectives()
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.mesh.size > 1 or not self._halve():
                    raise

    def halve_tiles(self) -> bool:
        """Make do with less memory; False where there is nothing left to halve."""
        if not self._halve():
            return False
        self._prepare()
        return True

    def _halve(self) -> bool:
        largest = max(self._scale.height, self._scale.width)
        half = (self.evaluator.tile or largest) // 2
        if half < LEAST_TILE:
            return False
        self.objectives = []
        self.evaluator = replace(self.evaluator, tile=half, keep=0, recompute=True)
        log.warning("out of memory: going on with tiles of %d px", half)
        return True

    def _objectives(self) -> list[Objective]:
        recipe, scale = self._recipe, self._scale
        terms = self._style_terms()
        taps = frozenset(recipe.content_taps)
        rank = self.mesh.rank
        top, bottom = self.layout.needed[rank]
        kind = self._content.dtype
        # In 16 bits even where features are kept, or they would be others than those computed again.
        short = torch.float16 if kind == torch.float32 else kind
        rows = resampled(self._content, scale, top, bottom, short)
        found = []
        for frame in frames(scale, recipe):
            band = self.layout.band(rank, frame)
            source = Source(self.evaluator, frame, rows, top, band, taps, recipe.taps, kind)
            level = levels(source, self.mesh)
            share = recipe.content / len(taps)
            both: list[Term] = [*terms, *(ContentTerm(tap, share, level[tap]) for tap in sorted(taps))]
            kept = Recomputed(source) if self.evaluator.recompute else Kept(source)
            found.append(Objective(frame, both, recipe.variation, kept))
        return found

    def _style_terms(self) -> list[Term]:
        recipe, size = self._recipe, (self._scale.height, self._scale.width)
        targets = [
            style_moments(style, self.evaluator, recipe.style_taps, max(size)) for style in self._styles
        ]
        masks = [
            None if style.mask is None else _fitted(style.mask, self._scale) for style in self._styles
        ]
        return [*style_terms(self._styles, targets, masks, recipe.loss, recipe.shares)]


class Evaluation:
    """One iteration: gradient strip by strip, stepped as it comes."""

    def __init__(self, scene: Scene, state: State) -> None:
        self._scene, self._state = scene, state
        self._stepped = False

    def run(self, iteration: int) -> Tensor:
        """Step once; returns the loss before it. Out of memory, tiles are halved while they may be."""
        while True:
            try:
                return self._once(iteration)
            except (RuntimeError, MemoryError) as error:
                # A step half made cannot be made again, nor one that other ranks are waiting in.
                if not is_out_of_memory(error) or self._stepped or self._scene.mesh.size > 1:
                    raise
                short = error
            if not self._scene.halve_tiles():
                raise short

    def _once(self, iteration: int) -> Tensor:
        scene, rank = self._scene, self._scene.mesh.rank
        objective = scene.objectives[iteration % len(scene.objectives)]
        rows = scene.halo.fetch(self._state.picture)
        sweep = scene.evaluator.sweep(
            rows, objective, origin=scene.layout.needed[rank][0],
            band=scene.layout.band(rank, objective.frame), mesh=scene.mesh,
        )  # fmt: skip
        loss = sweep.loss
        shared: list[tuple[int, Tensor]] = []
        for top, strip in sweep:
            self._absorb(top, strip, shared)
        for top, strip in scene.halo.settle(shared):
            self._step(top, strip)
        self._begin()
        self._state.finish(scene.mesh)
        return loss

    def _absorb(self, top: int, strip: Tensor, shared: list[tuple[int, Tensor]]) -> None:
        """Step the rows that are nobody else's; put the others by until the ranks have met."""
        first, end = self._scene.halo.exclusive
        bottom = top + strip.shape[2]
        low, high = min(max(first, top), bottom), max(min(end, bottom), top)
        if low >= high:
            shared.append((top, strip))
            return
        if top < low:
            shared.append((top, strip[:, :, : low - top]))
        if high < bottom:
            shared.append((high, strip[:, :, high - top :]))
        self._step(low, strip[:, :, low - top : high - top])

    def _step(self, top: int, strip: Tensor) -> None:
        self._begin()
        self._state.absorb(top - self._scene.layout.owned[self._scene.mesh.rank][0], strip)

    def _begin(self) -> None:
        if not self._stepped:
            self._stepped = True
            self._state.begin()


def resampled(
    source: Tensor, scale: Scale, top: int, bottom: int, kind: torch.dtype | None = None
) -> Tensor:
    """Rows ``[top, bottom)`` of a picture at a scale's size, in [0, 1]; as ``kind``, made in blocks."""
    height, kind = source.shape[2], kind or source.dtype
    with lasting():
        rows = source.new_empty(1, source.shape[1], bottom - top, scale.width, dtype=kind)
    for low in range(top, bottom, _ROWS):
        high = min(low + _ROWS, bottom)
        block = resample_rows(source, 0, height, scale.height, scale.width, low, high)
        rows[:, :, low - top : high - top] = block.clamp_(0, 1)
    return rows


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python could not get memory, on whatever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    told = str(error).lower()
    return "out of memory" in told or "can't allocate memory" in told or "not enough memory" in told


def _fitted(mask: Tensor, scale: Scale) -> Tensor:
    """A mask at a scale's size."""
    whole = mask[None, None]
    rows = resample_rows(
        whole, 0, mask.shape[0], scale.height, scale.width, 0, scale.height, kind="bilinear"
    )
    return rows[0, 0].clamp_(0, 1)
