"""A job of kind ``preview``: one pass of the preview net at the size and in the format ordered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO

from torch import Tensor

from farm.dispatch.pictures import content_picture, style_pictures, tensor
from farm.dispatch.previews import Previewer, as_picture
from farm.dispatch.report import artefact
from farm.dispatch.workplace import Order, Stopwatch, Workplace
from farm.engine.colour_match import keep_colour
from farm.engine.styles import Style, harmonise
from farm.imaging.encode import encode
from farm.imaging.picture import Picture
from farm.spec import Quality
from farm.spec.event import Done, Event, Rendition, Started


def render_preview(order: Order, place: Workplace) -> Iterator[Event]:
    """Yields ``Started``, the final ``Rendition`` and ``Done``; too short to be interrupted."""
    job, watch = order.job, Stopwatch()
    previewer = Previewer(place.catalogue, place.limits, place.device)
    watch.lap("load model")
    yield Started(
        task=order.task, attempt=order.attempt, worker=order.worker,
        extractor=previewer.model, precision=previewer.precision,
    )  # fmt: skip
    source = content_picture(job, place.load, place.limits)
    size = job.output.size((source.width, source.height))
    content = content_picture(job, place.load, place.limits, size)
    styles = style_pictures(job, place.load, place.catalogue, place.limits)
    watch.lap("decode")
    painted = as_picture(_painted(previewer, tensor(content), styles, job.quality))
    picture = Picture(painted.pixels, content.alpha, 16, shaper=content.shaper)
    seconds = watch.lap("model")
    file = BytesIO()
    encode(
        picture, file, format=job.output.format, bits=job.output.bits, dpi=job.output.dpi,
        metadata={
            "seed": str(job.quality.seed), "preset": job.quality.preset, "task": order.task,
            "model": previewer.model,
        },
    )  # fmt: skip
    output = job.output.format
    name = f"final.{'tif' if output == 'tiff' else output.replace('jpeg', 'jpg')}"
    made = artefact(place.store.put, name, file.getvalue(), output)
    watch.lap("encode")
    yield Rendition(
        task=order.task, fidelity="final", width=picture.width, height=picture.height, picture=made,
        model=previewer.model, seconds=round(seconds, 3),
    )  # fmt: skip
    yield Done(
        artefacts=(made,), extractor=previewer.model, precision=previewer.precision,
        stages=tuple(watch.stages), seconds=watch.total,
    )  # fmt: skip


def _painted(
    previewer: Previewer, content: Tensor, styles: Sequence[Style], quality: Quality
) -> Tensor:
    """The content as the net paints it, ``(3, h, w)``, in the colours asked for as in a print."""
    if quality.colour == "style":
        return previewer.blend(content, styles, quality.strength)
    start, matched = harmonise(content, styles, quality.strength, quality.colour)
    painted = previewer.blend(start, matched, quality.strength)
    if quality.colour == "content":
        painted = keep_colour(painted[None].cpu(), content)[0]
    return painted
