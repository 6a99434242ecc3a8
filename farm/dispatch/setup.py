"""From a job to everything that its optimisation needs: pictures, net, precision, plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from farm.dispatch.pictures import content_picture, style_pictures, tensor
from farm.dispatch.previews import Previewer
from farm.dispatch.workplace import Order, Workplace
from farm.engine import needs
from farm.engine.extractor import Extractor
from farm.engine.gradient import Evaluator
from farm.engine.memory import free_bytes
from farm.engine.models import load_extractor
from farm.engine.oklab import grey
from farm.engine.optimise import Iterate, Resume, optimise
from farm.engine.planner import Plan, plan
from farm.engine.precision import PRECISIONS, Precision, gradient_seconds, precision
from farm.engine.pyramid import Scale, plan_scales
from farm.engine.recipe import Recipe, recipe_for, strengthened
from farm.engine.resample import resample
from farm.engine.styles import Style, harmonise
from farm.imaging.decode import decode, inspect
from farm.imaging.picture import Picture
from farm.spec import Job

INIT_EDGE = 512
"""Long edge, in pixels, of the preview that an optimisation starts from."""


@dataclass(frozen=True)
class Setup:
    """All that a rank runs by. ``content`` is as it was decoded, at its own size.

    ``speeds`` are those of all ranks, in gradients per second.
    """

    job: Job
    content: Picture
    styles: list[Style]
    scales: tuple[Scale, ...]
    extractor: Extractor
    precision: Precision
    recipe: Recipe
    plan: Plan
    speeds: list[float]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        return self.scales[-1].width, self.scales[-1].height

    def evaluator(self, tile: int | None = None) -> Evaluator:
        """By the plan, or with smaller tiles than it says."""
        kind = self.precision
        chosen = self.plan
        if tile is not None:
            chosen = replace(chosen, tile=tile, keep=0)
        return Evaluator(
            self.extractor, chosen.tile, kind.dtype, chosen.keep, kind.tf32, chosen.recompute,
            self.job.engine.reproducible,
        )  # fmt: skip


def set_up(order: Order, place: Workplace, kind: str | None) -> Setup:
    """Decode, load, measure and plan. ``kind`` is the precision of the run that is gone on with.

    Raises:
        InvalidInput: a picture cannot be used, or the device lacks the precision.
        TooLarge: the picture does not fit into the memory that is free.
        Unavailable: weights are missing.
    """
    job, device = order.job, place.device
    info = inspect(place.load(job.content), place.limits, field="content")
    scales = plan_scales(*job.output.size((info.width, info.height)), job.quality.preset)
    content = content_picture(job, place.load, place.limits)
    styles = style_pictures(job, place.load, place.catalogue, place.limits)
    extractor = load_extractor(place.catalogue, job.quality.extractor, device)
    chosen = _precision(job, extractor, place, kind)
    recipe = strengthened(recipe_for(job.quality.extractor), job.quality.strength)
    recipe = replace(recipe, loss=job.quality.loss, optimiser=job.quality.optimiser)
    planned = _plan(job, styles, recipe, extractor, chosen, scales[-1], place)
    speeds = _speeds(extractor, chosen, place)
    return Setup(job, content, styles, scales, extractor, chosen, recipe, planned, speeds)


def iterates(
    setup: Setup, place: Workplace, resume: Resume | None, tile: int | None, calmed: int
) -> Iterator[Iterate]:
    """The optimisation that the job describes, from a checkpoint if there is one."""
    quality = setup.job.quality
    torch.manual_seed(quality.seed)
    content, device = tensor(setup.content).to(place.device), place.device
    styles = [
        replace(
            style,
            picture=style.picture.to(device),
            mask=None if style.mask is None else style.mask.to(device),
        )
        for style in setup.styles
    ]
    start, styles = harmonise(content, styles, quality.strength, quality.colour)
    init = None if resume else _init(setup, place, start, styles)
    if init is not None and quality.colour == "content":
        init = grey(init)
    return optimise(
        start, styles, setup.evaluator(tile), setup.recipe, setup.scales, resume, init=init,
        mesh=place.mesh, speeds=setup.speeds, calmed=calmed,
    )  # fmt: skip


def _init(setup: Setup, place: Workplace, content: Tensor, styles: list[Style]) -> Tensor | None:
    """What the first scale starts from; None for the content in its new palette."""
    quality = setup.job.quality
    if quality.init == "content":
        return None
    if quality.init == "noise":
        first = setup.scales[0]
        draw = torch.Generator().manual_seed(quality.seed)
        noise = torch.rand((1, 3, first.height, first.width), generator=draw)
        return noise.to(place.device)
    if quality.init == "preview":
        return _preview(place, setup.precision, content, styles, quality.strength)
    picture = decode(place.load(quality.init), place.limits, field="quality.init")
    return tensor(picture).to(place.device)


def _preview(
    place: Workplace, kind: Precision, content: Tensor, styles: list[Style], strength: float
) -> Tensor:
    """What the preview net makes of the content: long strokes that optimisation would not find."""
    height, width = content.shape[-2:]
    share = min(1.0, INIT_EDGE / max(height, width))
    small = resample(content, max(16, round(height * share)), max(16, round(width * share)))
    previewer = Previewer(place.catalogue, place.limits, place.device, kind.dtype)
    return previewer.blend(small.clamp(0, 1), styles, strength)[None]


def _precision(job: Job, extractor: Extractor, place: Workplace, kind: str | None) -> Precision:
    """The same on every rank: what was asked for, what the run began with, or what rank 0 measures."""
    asked = job.engine.precision
    if asked == "auto" and kind in PRECISIONS:
        asked = kind  # type: ignore[assignment]  # a name of PRECISIONS
    names = list(PRECISIONS)
    found = precision(asked, extractor, place.device)
    vote = torch.zeros(len(names), device=place.device)
    if place.leads:
        vote[names.index(found.name)] = 1
    return PRECISIONS[names[int(place.mesh.add([vote])[0].argmax().item())]]


def _speeds(extractor: Extractor, kind: Precision, place: Workplace) -> list[float]:
    """Gradients per second of every rank, so that bands make unequal devices finish together."""
    mesh = place.mesh
    if mesh.size == 1:
        return [1.0]
    mine = torch.zeros(mesh.size, device=mesh.device)
    mine[mesh.rank] = 1 / gradient_seconds(extractor, kind, mesh.device)
    return [float(value) for value in mesh.add([mine])[0].tolist()]


def _plan(  # all that decides how much memory it takes
    job: Job, styles: list[Style], recipe: Recipe, extractor: Extractor, kind: Precision,
    last: Scale, place: Workplace,
) -> Plan:  # fmt: skip
    """Tiles for the largest scale; the smaller ones run by the same plan."""
    wanted = needs.demand(
        last.width, last.height, devices=place.mesh.size, optimiser=recipe.optimiser,
        history=recipe.lbfgs.history, masks=sum(style.mask is not None for style in styles),
    )  # fmt: skip
    net = needs.net(
        list(extractor.taps.values()), recipe.taps, recipe.content_taps, kind.dtype.itemsize,
        reproducible=job.engine.reproducible,
    )  # fmt: skip
    free = free_bytes(place.device) / place.neighbours
    tile = job.engine.tile
    if tile == "untiled":
        tile = max(last.height, last.width) + 64
    found = plan(wanted, net, free, None if tile == "auto" else tile)
    return replace(found, tile=None) if job.engine.tile == "untiled" else found
