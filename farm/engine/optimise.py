"""Gatys optimisation over a pyramid, as a generator of typed iterates.

Every rank of a mesh runs the same generator over its own rows of the picture; on one device that is all
of them. Losses are the same everywhere, so all ranks take the same turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from torch import Tensor

from farm.engine.adam import AdamState
from farm.engine.evaluation import Evaluation, Scene, layout_for, resampled
from farm.engine.gradient import Evaluator
from farm.engine.guard import Guard
from farm.engine.halo import Halo, collect
from farm.engine.layout import Layout
from farm.engine.lbfgs import LbfgsState
from farm.engine.mesh import Alone, Mesh
from farm.engine.pyramid import Scale
from farm.engine.recipe import OptimiserName, Recipe
from farm.engine.resample import resample_rows, source_rows
from farm.engine.state import Counters
from farm.engine.styles import Style

State = AdamState | LbfgsState


@dataclass(frozen=True)
class Iterate:
    """One iteration done, as one rank sees it.

    ``loss`` is that of the whole picture before the step, and is left on the device: reading it waits
    for the device, so read it seldom. ``tile`` is the side of the tiles, None for untiled.
    """

    scale: int
    scales: int
    iteration: int
    iterations: int
    loss: Tensor
    state: State
    seconds: float
    layout: Layout
    guard: Guard
    tile: int | None = None

    @property
    def ends_scale(self) -> bool:
        """Whether this scale is finished."""
        return self.iteration == self.iterations

    @property
    def is_last(self) -> bool:
        """Whether the whole pyramid is finished."""
        return self.ends_scale and self.scale == self.scales

    @property
    def picture(self) -> Tensor:
        """What this rank has to show, ``(1, 3, rows, width)`` in [0, 1]; the whole on one device."""
        return self.state.output()

    def strips(self, mesh: Mesh, rows: int) -> Iterator[tuple[int, Tensor]]:
        """The whole picture from the top in strips of ``rows``, on rank 0; never held whole there.

        Every rank calls this and goes through it; the others only serve.
        """
        if mesh.size > 1:
            yield from collect(mesh, self.picture, self.layout.owned, rows)
            return
        for top in range(0, self.state.picture.shape[2], rows):
            yield top, self.state.output(top, top + rows).cpu()


@dataclass(frozen=True)
class Resume:
    """Where a checkpointed run goes on: after ``iteration`` iterations of scale number ``scale``.

    ``read`` gives rows ``[top, bottom)`` of the state's tensors.
    """

    scale: int
    iteration: int
    optimiser: OptimiserName
    counters: Counters
    read: Callable[[int, int], Mapping[str, Tensor]]


def optimise(  # noqa: PLR0913  # what a print is made of
    content: Tensor,
    styles: Sequence[Style],
    evaluator: Evaluator,
    recipe: Recipe,
    scales: Sequence[Scale],
    resume: Resume | None = None,
    *,
    init: Tensor | None = None,
    mesh: Mesh | None = None,
    speeds: Sequence[float] | None = None,
    calmed: int = 0,
) -> Iterator[Iterate]:
    """Stylise ``content`` ``(1, 3, h, w)``, scale by scale; yields after every iteration.

    The first scale starts from ``init``, of any size, or else from the content. Scales are numbered
    from 1. Where memory runs out before a step was made, tiles are halved and the iteration is
    made again.

    Args:
        speeds: of the mesh's ranks, in any unit; alike if absent.
        calmed: times the step is halved beyond what the resumed state says.

    Raises:
        Diverged: the loss blew up.
    """
    mesh = mesh or Alone(content.device)
    run = _Run(content, styles, evaluator, recipe, mesh, speeds or [1.0] * mesh.size, init)
    before: tuple[State, Scale, Layout] | None = None
    for number, scale in enumerate(scales, start=1):
        done = resume.iteration if resume and number == resume.scale else 0
        if resume and (number < resume.scale or (number == resume.scale and done >= scale.iterations)):
            if number == resume.scale:
                layout = layout_for(scale, run.evaluator, recipe, run.speeds)
                before = run.restored(resume, scale, layout, calmed), scale, layout
            continue
        scene = Scene(run.content, styles, run.evaluator, recipe, scale, mesh, run.speeds)
        if done and resume:
            state = run.restored(resume, scale, scene.layout, calmed)
        elif before:
            state = run.enlarged(before, scale, scene.layout)
        else:
            state = run.started(scale, scene.layout, calmed)
        before = state, scale, scene.layout
        yield from _iterations(scene, state, (number, len(scales)), scale, done)
        run.evaluator = scene.evaluator
        del scene, state  # what they hold makes room for the next scale


def _iterations(
    scene: Scene, state: State, number: tuple[int, int], scale: Scale, done: int
) -> Iterator[Iterate]:
    guard = Guard(number[0])
    for iteration in range(done + 1, scale.iterations + 1):
        began = monotonic()
        loss = Evaluation(scene, state).run(iteration)
        guard.watch(loss, iteration)
        yield Iterate(
            *number, iteration, scale.iterations, loss, state, monotonic() - began, scene.layout, guard,
            scene.evaluator.tile,
        )  # fmt: skip


@dataclass
class _Run:
    """What stays the same from scale to scale, and how states come to be."""

    content: Tensor
    styles: Sequence[Style]
    evaluator: Evaluator
    recipe: Recipe
    mesh: Mesh
    speeds: Sequence[float]
    init: Tensor | None

    def started(self, scale: Scale, layout: Layout, calmed: int) -> State:
        """The state before the first step."""
        source = self.content if self.init is None else self.init
        top, bottom = layout.owned[self.mesh.rank]
        picture = resampled(source, scale, top, bottom)
        state: State
        if self.recipe.optimiser == "adam":
            state = AdamState.start(picture, self.recipe.adam, scale.pixels)
        else:
            state = LbfgsState.start(picture, self.recipe.lbfgs, scale.pixels)
        for _ in range(calmed):
            state.calm()
        return state

    def restored(self, resume: Resume, scale: Scale, layout: Layout, calmed: int) -> State:
        """The state of a checkpoint, this rank's rows of it."""
        tensors = resume.read(*layout.owned[self.mesh.rank])
        state: State
        if resume.optimiser == "adam":
            state = AdamState.restored(tensors, resume.counters, self.recipe.adam, scale.pixels)
        else:
            state = LbfgsState.restored(tensors, resume.counters, self.recipe.lbfgs, scale.pixels)
        for _ in range(calmed):
            state.calm()
        return state

    def enlarged(self, before: tuple[State, Scale, Layout], scale: Scale, layout: Layout) -> State:
        """The state at a larger scale and under its layout."""
        state, old, was = before
        top, bottom = layout.owned[self.mesh.rank]
        needed = [source_rows(old.height, scale.height, *rows) for rows in layout.owned]
        halo = Halo(self.mesh, was.owned, needed)

        def enlarge(rows: Tensor, kind: str) -> Tensor:
            source = halo.fetch(rows)
            origin = was.owned[self.mesh.rank][0] if source is rows else needed[self.mesh.rank][0]
            return resample_rows(
                source, origin, old.height, scale.height, scale.width, top, bottom, kind=kind
            )

        return state.enlarged(enlarge, scale.pixels)
