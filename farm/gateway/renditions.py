"""The first rendition of a print: made by the preview net as soon as the job is accepted."""

from __future__ import annotations

import asyncio
import logging

from farm.client import refs
from farm.gateway.ports import PreviewAnswer, PreviewOrder, Services
from farm.spec import Job
from farm.spec.event import Artefact, Rendition

log = logging.getLogger("farm.gateway")

LONG_EDGE = 512
PATIENCE = 5.0
"""Seconds that a first rendition may wait: nobody watches for it as for a preview."""
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class FirstRenditions:
    """Running first renditions; one that fails is logged and never fails its job."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # The event loop keeps weak references only; a task held nowhere may vanish half-way.
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, job_id: str, job: Job, content: tuple[int, int]) -> None:
        """Make the preview of a job just accepted, in the background."""
        task = asyncio.create_task(self._make(job_id, job, content))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settled(self) -> None:
        """Wait until none is running."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _make(self, job_id: str, job: Job, content: tuple[int, int]) -> None:
        began = self._services.clock.now()
        try:
            order = await asyncio.to_thread(self._order, job, content)
            answer = await self._services.previews.preview(order)
            await asyncio.to_thread(self._publish, job_id, answer)
        except Exception:
            # The print itself goes on, whatever became of its preview.
            log.exception("job %s: its first rendition could not be made", job_id)
            return
        meter = self._services.meter
        meter.count("farm_renditions_total", 1.0, fidelity="preview")
        meter.observe("farm_first_rendition_seconds", self._services.clock.now() - began)

    def _order(self, job: Job, content: tuple[int, int]) -> PreviewOrder:
        # The preview net takes one style here: the one with the largest share.
        main = max(job.styles, key=lambda style: style.weight)
        style = main.name if main.name is not None else self._bytes(main.image or "")
        size = min(LONG_EDGE, max(job.output.size(content)))
        return PreviewOrder(
            self._bytes(job.content), style, size, job.quality.strength, content, deadline=PATIENCE
        )

    def _bytes(self, reference: str) -> bytes:
        return self._services.store.get(refs.blob_of(reference) or "")

    def _publish(self, job_id: str, answer: PreviewAnswer) -> None:
        suffix = _SUFFIXES.get(answer.media_type, "bin")
        picture = Artefact(
            name=f"preview.{suffix}",
            blob=self._services.store.put(answer.picture),
            media_type=answer.media_type,
            bytes=len(answer.picture),
        )
        event = Rendition(
            fidelity="preview",
            width=answer.width,
            height=answer.height,
            picture=picture,
            model=answer.model,
            seconds=answer.seconds,
            degraded=answer.degraded,
        )
        self._services.queue.append(job_id, event)
