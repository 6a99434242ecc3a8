"""What a rank tells of its iterates: progress, renditions, checkpoints, the finished picture.

Renditions and checkpoints need all ranks: every one of them goes through here, and rank 0 speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from farm.dispatch.pictures import tensor
from farm.dispatch.setup import Setup
from farm.dispatch.workplace import Order, Stopwatch, Workplace
from farm.engine.colour_match import keep_colour
from farm.engine.manifest import Put
from farm.engine.optimise import Iterate
from farm.engine.planner import checkpoint_interval
from farm.engine.pyramid import Scale, work
from farm.engine.resample import resample_rows
from farm.engine.resume import Facts, keep
from farm.imaging.encode import encode, media_type
from farm.imaging.encoding import Encoding
from farm.imaging.picture import Array, Picture
from farm.imaging.strips import write_strips
from farm.spec.event import Artefact, Checkpointed, Done, Event, Progress, Rendition

STRIP_ROWS = 256
LARGEST_RENDITION = 4096
"""Long edge, in pixels, that scales are shown with; the finished picture has all its pixels."""


@dataclass
class Report:
    """Turns iterates into events, not more of them than anyone wants to read."""

    order: Order
    place: Workplace
    setup: Setup
    watch: Stopwatch

    def __post_init__(self) -> None:
        self._told = self._kept = monotonic()
        self.name: str | None = self.order.checkpoint
        """The last checkpoint."""
        self._cost = 0.0

    def due(self, iterate: Iterate) -> bool:
        """Whether a checkpoint is worth its time. Only rank 0's clock counts."""
        if iterate.is_last:
            return False
        interval = checkpoint_interval(self.place.checkpoint_seconds, self._cost)
        return iterate.ends_scale or monotonic() - self._kept >= interval

    def events(self, iterate: Iterate) -> Iterator[Event]:
        """What this iterate is worth telling, but for checkpoints."""
        now = monotonic()
        if iterate.ends_scale or now - self._told >= self.place.progress_seconds:
            self._told = now
            if self.place.leads:
                yield self._progress(iterate)
        if iterate.ends_scale:
            yield from self._rendition(iterate)

    def checkpoint(self, iterate: Iterate) -> Iterator[Checkpointed]:
        """Keep the state in the store."""
        order, scale = self.order, self.setup.scales[iterate.scale - 1]
        facts = Facts(
            f"{order.task} attempt {order.attempt}", self.setup.precision.name,
            order.job.quality.extractor, order.job.quality.seed,
        )  # fmt: skip
        iterate.guard.look(iterate.iteration)
        began = monotonic()
        name = keep(iterate, scale, self.place.mesh, self.place.store.put, facts)
        self._kept = monotonic()
        self._cost = self._kept - began
        if name is not None:
            self.name = name
            yield Checkpointed(
                task=order.task, attempt=order.attempt, blob=name, scale=iterate.scale,
                iteration=iterate.iteration,
            )  # fmt: skip

    def finished(self, last: Iterate) -> Iterator[Event]:
        """The finished picture and the end."""
        job, order = self.order.job, self.order
        output, model = job.output, job.quality.extractor
        width, height = self.setup.size
        name = f"final.{'tif' if output.format == 'tiff' else output.format.replace('jpeg', 'jpg')}"
        metadata = {
            "seed": str(job.quality.seed), "preset": job.quality.preset, "task": order.task,
            "extractor": model,
        }  # fmt: skip
        encoding = Encoding(output.format, output.bits, output.dpi, metadata=metadata)
        strips = self._strips(last, alpha=True)
        if not self.place.leads:
            for _ in strips:
                pass
            return
        content = self.setup.content
        with TemporaryDirectory(prefix="farm-") as folder:
            path = Path(folder) / name
            alpha = content.alpha is not None
            write_strips(path, strips, (width, height), encoding, alpha=alpha, shaper=content.shaper)
            size = path.stat().st_size
            blob = self.place.store.put_file(path)
        picture = Artefact(name=name, blob=blob, media_type=media_type(output.format), bytes=size)
        self.watch.lap("encode")
        yield Rendition(
            task=order.task, fidelity="final", width=width, height=height, picture=picture,
            model=model, seconds=self.watch.total,
        )  # fmt: skip
        yield Done(
            artefacts=(picture,), extractor=model, precision=self.setup.precision.name,
            stages=tuple(self.watch.stages), quality={"loss": round(last.loss.item(), 6)},
            seconds=self.watch.total,
        )  # fmt: skip

    def _progress(self, iterate: Iterate) -> Progress:
        scales = self.setup.scales
        scale = scales[iterate.scale - 1]
        done = work(scales[: iterate.scale - 1]) + scale.pixels * iterate.iteration / 1e6
        return Progress(
            task=self.order.task, attempt=self.order.attempt, scale=iterate.scale,
            scales=iterate.scales, width=scale.width, height=scale.height,
            iteration=iterate.iteration, iterations=iterate.iterations,
            loss=round(iterate.loss.item(), 6), share=round(done / work(scales), 4),
        )  # fmt: skip

    def _rendition(self, iterate: Iterate) -> Iterator[Rendition]:
        scale = self.setup.scales[iterate.scale - 1]
        factor = -(-max(scale.width, scale.height) // LARGEST_RENDITION)
        rows = [_shrunk(strip, factor) for strip in self._strips(iterate)]
        seconds = self.watch.lap(f"{scale.width}×{scale.height}")
        if not self.place.leads:
            return
        picture = Picture(np.concatenate(rows), None, 16, shaper=self.setup.content.shaper)
        # On paper it is as large as the finished picture will be.
        dpi = self.order.job.output.dpi * picture.width / self.setup.size[0]
        file = BytesIO()
        encode(picture, file, format="png", bits=8, dpi=dpi)
        name = f"scale-{iterate.scale:02d}-{scale.width}x{scale.height}.png"
        yield Rendition(
            task=self.order.task, fidelity="scale", width=scale.width, height=scale.height,
            picture=artefact(self.place.store.put, name, file.getvalue(), "png"),
            model=self.order.job.quality.extractor, seconds=round(seconds, 3),
        )  # fmt: skip

    def _strips(self, iterate: Iterate, *, alpha: bool = False) -> Iterator[Array]:
        """The picture from the top, ``(rows, width, 3 or 4)``; on rank 0, the others only serve."""
        scale = self.setup.scales[iterate.scale - 1]
        content = self.setup.content
        cover = None if content.alpha is None or not alpha else torch.from_numpy(content.alpha)
        kept = self.order.job.quality.colour == "content" and self.place.leads
        source = tensor(content) if kept else None
        for top, rows in iterate.strips(self.place.mesh, STRIP_ROWS):
            span = (top, top + rows.shape[2])
            if source is not None:
                rows = keep_colour(rows, _at(source, scale, span))
            pixels = _array(rows)
            if cover is not None:
                mask = _array(_at(cover[None, None], scale, span))
                pixels = np.concatenate([pixels, mask], axis=2)
            yield pixels


def artefact(put: Put, name: str, data: bytes, kind: str) -> Artefact:
    """Keep a file's bytes in the store under a name people see."""
    return Artefact(name=name, blob=put(data), media_type=media_type(kind), bytes=len(data))


def _at(source: Tensor, scale: Scale, rows: tuple[int, int]) -> Tensor:
    """Rows of a picture at a scale's size, in [0, 1]."""
    height = source.shape[2]
    return resample_rows(source, 0, height, scale.height, scale.width, *rows).clamp_(0, 1)


def _array(rows: Tensor) -> Array:
    """``(n, width, c)`` of ``(1, c, n, width)``."""
    array = rows[0].permute(1, 2, 0).cpu().numpy().astype(np.float32)
    return np.ascontiguousarray(array)


def _shrunk(strip: Array, factor: int) -> Array:
    """Averaged over ``factor × factor`` pixels; strips are a multiple of it but for the last."""
    if factor == 1:
        return strip
    planes = torch.from_numpy(strip).permute(2, 0, 1)[None]
    return _array(F.avg_pool2d(planes, factor, ceil_mode=True, count_include_pad=False))
