"""From a job and its content's size to a footprint, and so to a quote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from farm.clock import Clock
from farm.engine.pyramid import plan_scales
from farm.route.accelerator import Pool
from farm.route.decide import quote
from farm.route.footprint import Footprint, footprint
from farm.spec import Job, PreviewJob, Quote

PREVIEW_MODEL = "farm-preview"


def footprint_of(job: Job, content: tuple[int, int]) -> Footprint:
    """The work of ``job`` on a content of (width, height) pixels, from the engine's own plan."""
    width, height = job.output.size(content)
    if isinstance(job, PreviewJob):
        return footprint([(width, height, 1)], PREVIEW_MODEL)
    scales = plan_scales(width, height, job.quality.preset)
    return footprint([(s.width, s.height, s.iterations) for s in scales], job.quality.extractor)


class Quoter:
    """Answers what a job would cost on the pools there are at the time of asking."""

    def __init__(self, pools: Callable[[], Sequence[Pool]], clock: Clock) -> None:
        self._pools = pools
        self._clock = clock

    def quote(self, job: Job, content: tuple[int, int]) -> Quote:
        """The quote and the pool that the job would run on.

        Raises:
            Refused: no pool can keep the job's deadline or budget.
        """
        return quote(footprint_of(job, content), self._pools(), job.routing, self._clock.now())
