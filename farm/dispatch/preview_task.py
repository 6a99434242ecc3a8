"""A job of kind ``preview``: one pass of the preview net at the size and in the format ordered."""

from __future__ import annotations

from collections.abc import Iterator

from farm.dispatch.pictures import content_picture, style_pictures, tensor
from farm.dispatch.previews import Previewer, as_picture
from farm.dispatch.render import Order, Stopwatch, Workplace, artefact, encoded
from farm.imaging.picture import Picture
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
    styles = style_pictures(job, place.load, place.catalogue, place.limits, content)
    watch.lap("decode")
    stylised = previewer.blend(tensor(content), styles, job.quality.strength)
    painted = as_picture(stylised)
    picture = Picture(painted.pixels, content.alpha, 16)
    seconds = watch.lap("model")
    file = encoded(job, picture, {"task": order.task, "model": previewer.model})
    output = job.output.format
    name = f"final.{'tif' if output == 'tiff' else output.replace('jpeg', 'jpg')}"
    made = artefact(place.store, name, file, output)
    watch.lap("encode")
    yield Rendition(
        task=order.task, fidelity="final", width=picture.width, height=picture.height, picture=made,
        model=previewer.model, seconds=round(seconds, 3),
    )  # fmt: skip
    yield Done(
        artefacts=(made,), extractor=previewer.model, precision=previewer.precision,
        stages=tuple(watch.stages), seconds=round(sum(stage.seconds for stage in watch.stages), 3),
    )  # fmt: skip
