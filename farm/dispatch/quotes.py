"""From a job and its content's size to a footprint, and so to a quote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from farm.clock import Clock
from farm.dispatch.tally import Stretch
from farm.engine.pyramid import plan_scales
from farm.route.accelerator import Pool
from farm.route.decide import quote
from farm.route.footprint import UNTILED, Footprint, footprint, output_gigabytes, with_optimiser
from farm.route.observed import pace
from farm.spec import Job, Option, PreviewJob, Quote
from farm.spec.cost import Pace

PREVIEW_MODEL = "farm-preview"


def footprint_of(job: Job, content: tuple[int, int]) -> Footprint:
    """The work of ``job`` on a content of (width, height) pixels, from the engine's own plan."""
    width, height = job.output.size(content)
    leaves = output_gigabytes(job.output, width, height)
    if isinstance(job, PreviewJob):
        return replace(footprint([(width, height, 1)], PREVIEW_MODEL), output_gigabytes=leaves)
    scales = plan_scales(width, height, job.quality.preset)
    work = footprint([(s.width, s.height, s.iterations) for s in scales], job.quality.extractor)
    engine, tile = job.engine, job.engine.tile
    asked = None if tile == "auto" else UNTILED if tile == "untiled" else tile
    return replace(
        with_optimiser(work, job.quality.optimiser), output_gigabytes=leaves, tile=asked,
        precision=engine.precision, reproducible=engine.reproducible,
        masks=sum(style.mask is not None for style in job.styles),
    )  # fmt: skip


def ranks_of(job: Job) -> int | None:
    """Ranks that are to share a job's picture; None leaves it to the router.

    One pass of a small net is not worth sharing.
    """
    if isinstance(job, PreviewJob):
        return 1
    return None if job.engine.devices == "auto" else job.engine.devices


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
        work, pools, now = footprint_of(job, content), self._pools(), self._clock.now()
        return quote(work, pools, job.routing, now, ranks_of(job))

    def pace(self, job: Job, content: tuple[int, int], option: Option, stretch: Stretch) -> Pace | None:
        """What an attempt on that way says of its pool's speed; None where that is nothing."""
        found = next((pool for pool in self._pools() if pool.name == option.pool), None)
        if found is None:
            return None
        work = footprint_of(job, content)
        return pace(work, found, option.devices, stretch.since, stretch.until, stretch.seconds)
