"""Rendering one task: from its job to pictures in the store, as a generator of the job's events.

Runs wherever there is a processor: in a rank of a print gang, or in the process of ``farm render``. It
writes pixels to the store and yields events; whoever consumes them decides what they are worth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from farm.catalog.catalogue import Catalogue
from farm.dispatch.pictures import content_picture, style_pictures, tensor
from farm.dispatch.ports import Blobs, Stop
from farm.dispatch.previews import Previewer
from farm.engine.adam import resample
from farm.engine.checkpoint import dump, restore
from farm.engine.gradient import Evaluator
from farm.engine.models import load_extractor
from farm.engine.optimise import Iterate, Resume, Style, harmonise, optimise
from farm.engine.precision import name_of, precision
from farm.engine.pyramid import Scale, plan_scales, work
from farm.engine.recipe import recipe_for, strengthened
from farm.errors import InvalidInput, NotFound
from farm.imaging.colour import keep_colour
from farm.imaging.decode import inspect
from farm.imaging.encode import encode, media_type
from farm.imaging.limits import Limits
from farm.imaging.picture import Picture
from farm.imaging.resize import resize
from farm.spec import Job
from farm.spec.event import (
    Artefact,
    Checkpointed,
    Done,
    Event,
    Progress,
    Rendition,
    Stage,
    Started,
)  # fmt: skip

log = logging.getLogger(__name__)


INIT_EDGE = 512
"""Long edge, in pixels, of the preview that an optimisation starts from."""


@dataclass(frozen=True)
class Order:
    """One attempt at one task."""

    job: Job
    task: str
    attempt: int
    worker: str
    checkpoint: str | None = None


@dataclass(frozen=True)
class Workplace:
    """Where a render happens and how often it reports.

    Args:
        load: fetches a picture that the job names.
        checkpoint_seconds: at most this much work is lost; each scale's end is kept too.
        progress_seconds: least time between two progress events.
    """

    store: Blobs
    catalogue: Catalogue
    load: Callable[[str], bytes | Path]
    limits: Limits = field(default_factory=Limits)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    checkpoint_seconds: float = 15.0
    progress_seconds: float = 0.5


class Stopwatch:
    """Seconds since the last stage ended, by name."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._last = monotonic()

    def lap(self, name: str) -> float:
        """End a stage; returns its seconds."""
        now = monotonic()
        seconds = now - self._last
        self._last = now
        self.stages.append(Stage(name=name, seconds=round(seconds, 3)))
        return seconds


def never() -> Stop | None:
    """Nobody interrupts."""
    return None


def render(
    order: Order, place: Workplace, interrupt: Callable[[], Stop | None] = never
) -> Iterator[Event]:
    """Run a print task to its end, or to the first iteration at which ``interrupt`` answers.

    Yields ``Started``, ``Progress``, a ``Rendition`` per scale, ``Checkpointed``, the final
    ``Rendition`` and ``Done``. Interrupted, it ends without ``Done``, after a checkpoint if paused.
    """
    job, watch = order.job, Stopwatch()
    source = place.load(job.content)
    info = inspect(source, place.limits, field="content")
    size = job.output.size((info.width, info.height))
    scales = plan_scales(*size, job.quality.preset)
    content = content_picture(job, place.load, place.limits, size)
    styles = style_pictures(job, place.load, place.catalogue, place.limits, content)
    watch.lap("decode")
    extractor = load_extractor(place.catalogue, job.quality.extractor, place.device)
    kind = precision(job.engine.precision, extractor, place.device)
    tile = None if job.engine.tile == "auto" else job.engine.tile
    evaluator = Evaluator(extractor, tile, kind)
    watch.lap("load model")
    yield Started(
        task=order.task, attempt=order.attempt, worker=order.worker,
        extractor=job.quality.extractor, precision=name_of(kind),
    )  # fmt: skip
    last: Iterate | None = None
    report = _Report(order, place, scales, content, watch)
    for last in _iterates(order, place, evaluator, tensor(content), styles, scales):
        yield from report.events(last)
        wish = None if last.is_last else interrupt()
        if wish == "pause":
            yield report.checkpoint(last)
        if wish:
            return
    yield from _finished(order, place, report, last, content, kind)


def _iterates(
    order: Order, place: Workplace, evaluator: Evaluator, content: Tensor, styles: list[Style],
    scales: tuple[Scale, ...],
) -> Iterator[Iterate]:  # fmt: skip
    """The optimisation that the job describes, from its checkpoint if there is one."""
    quality = order.job.quality
    torch.manual_seed(quality.seed)
    start, styles = harmonise(content, styles, quality.strength, keep=quality.colour == "content")
    resume, init = _resume(order, place), None
    if resume is None and quality.init == "preview":
        init = _preview(place, evaluator.precision, content, styles, quality.strength)
    recipe = strengthened(recipe_for(quality.extractor), quality.strength)
    return optimise(start, styles, evaluator, recipe, scales, resume, init=init)


def _preview(
    place: Workplace, kind: torch.dtype, content: Tensor, styles: list[Style], strength: float
) -> Tensor:
    """What the preview net makes of the content: long strokes that optimisation would not find."""
    height, width = content.shape[-2:]
    share = min(1.0, INIT_EDGE / max(height, width))
    small = resample(content, max(16, round(height * share)), max(16, round(width * share)))
    previewer = Previewer(place.catalogue, place.limits, place.device, kind)
    return previewer.blend(small.clamp(0, 1), styles, strength)[None]


def _resume(order: Order, place: Workplace) -> Resume | None:
    """Where the attempt before left off; None, to start over, where its checkpoint is of no use."""
    if order.checkpoint is None:
        return None
    try:
        return restore(place.store.get(order.checkpoint), place.device)
    except (NotFound, InvalidInput):
        log.warning("checkpoint of no use; starting over", extra={"task": order.task})
        return None


class _Report:
    """Turns iterates into events, not more of them than anyone wants to read."""

    def __init__(
        self, order: Order, place: Workplace, scales: tuple[Scale, ...], content: Picture,
        watch: Stopwatch,
    ) -> None:  # fmt: skip
        self.order, self.place, self.scales, self.watch = order, place, scales, watch
        self.content = content
        self._told = self._kept = monotonic()

    def events(self, iterate: Iterate) -> Iterator[Event]:
        """What this iterate is worth telling."""
        now = monotonic()
        if iterate.ends_scale or now - self._told >= self.place.progress_seconds:
            self._told = now
            yield self._progress(iterate)
        if iterate.ends_scale:
            yield self._rendition(iterate)
        due = iterate.ends_scale or now - self._kept >= self.place.checkpoint_seconds
        if due and not iterate.is_last:
            self._kept = monotonic()
            yield self.checkpoint(iterate)

    def checkpoint(self, iterate: Iterate) -> Checkpointed:
        """Keep the state in the store."""
        order = self.order
        state = dump(iterate, f"{order.task} attempt {order.attempt}")
        return Checkpointed(
            task=order.task, attempt=order.attempt, blob=self.place.store.put(state),
            scale=iterate.scale, iteration=iterate.iteration,
        )  # fmt: skip

    def picture(self, iterate: Iterate) -> Picture:
        """The averaged iterate as a picture, in the colours that were asked for."""
        pixels = iterate.picture[0].permute(1, 2, 0).cpu().numpy().astype(np.float32)
        if self.order.job.quality.colour == "content":
            scale = self.scales[iterate.scale - 1]
            pixels = keep_colour(pixels, resize(self.content.pixels, (scale.width, scale.height)))
        return Picture(np.ascontiguousarray(pixels), None, 16)

    def _progress(self, iterate: Iterate) -> Progress:
        scale = self.scales[iterate.scale - 1]
        before = work(self.scales[: iterate.scale - 1])
        done = before + scale.pixels * iterate.iteration / 1e6
        return Progress(
            task=self.order.task, attempt=self.order.attempt, scale=iterate.scale,
            scales=iterate.scales, width=scale.width, height=scale.height,
            iteration=iterate.iteration, iterations=iterate.iterations,
            loss=round(iterate.loss.item(), 6), share=round(done / work(self.scales), 4),
        )  # fmt: skip

    def _rendition(self, iterate: Iterate) -> Rendition:
        scale = self.scales[iterate.scale - 1]
        seconds = self.watch.lap(f"{scale.width}×{scale.height}")
        file = BytesIO()
        encode(self.picture(iterate), file, format="png", bits=8)
        name = f"scale-{iterate.scale:02d}-{scale.width}x{scale.height}.png"
        return Rendition(
            task=self.order.task, fidelity="scale", width=scale.width, height=scale.height,
            picture=artefact(self.place.store, name, file.getvalue(), "png"),
            model=self.order.job.quality.extractor, seconds=round(seconds, 3),
        )  # fmt: skip


def _finished(
    order: Order, place: Workplace, report: _Report, last: Iterate | None, content: Picture,
    kind: torch.dtype,
) -> Iterator[Event]:  # fmt: skip
    assert last is not None, "a pyramid has at least one iteration"
    painted = report.picture(last)
    final = Picture(painted.pixels, content.alpha, 16)
    file = encoded(order.job, final, {"task": order.task, "extractor": order.job.quality.extractor})
    output = order.job.output
    name = f"final.{'tif' if output.format == 'tiff' else output.format.replace('jpeg', 'jpg')}"
    picture = artefact(place.store, name, file, output.format)
    report.watch.lap("encode")
    yield Rendition(
        task=order.task, fidelity="final", width=final.width, height=final.height, picture=picture,
        model=order.job.quality.extractor,
        seconds=round(sum(stage.seconds for stage in report.watch.stages), 3),
    )  # fmt: skip
    yield Done(
        artefacts=(picture,), extractor=order.job.quality.extractor, precision=name_of(kind),
        stages=tuple(report.watch.stages), quality={"loss": round(last.loss.item(), 6)},
        seconds=round(sum(stage.seconds for stage in report.watch.stages), 3),
    )  # fmt: skip


def encoded(job: Job, picture: Picture, metadata: dict[str, str]) -> bytes:
    """The picture as the job's output asks."""
    file = BytesIO()
    encode(
        picture, file, format=job.output.format, bits=job.output.bits, dpi=job.output.dpi,
        metadata={"seed": str(job.quality.seed), "preset": job.quality.preset, **metadata},
    )  # fmt: skip
    return file.getvalue()


def artefact(store: Blobs, name: str, data: bytes, kind: str) -> Artefact:
    """Keep a file's bytes in the store under a name people see."""
    return Artefact(name=name, blob=store.put(data), media_type=media_type(kind), bytes=len(data))
