"""How much work a job is, known before it runs: the sum over scales of pixels times iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm.engine.planner import CONTENT_BYTES, STATE_BYTES, checkpoint_interval
from farm.route.accelerator import Accelerator, Speed

Scale = tuple[int, int, int]
"""Width and height in pixels, and iterations, of one scale of the pyramid."""

MEGA = 1e6
CHECKPOINT_SECONDS = 15.0
"""Interval that prints are kept at, unless it cannot be borne."""


@dataclass(frozen=True)
class Footprint:
    """The work of one job. ``width`` and ``height`` are those of its largest scale.

    ``units`` are pictures of that size that can be made apart, such as frames; all figures but
    ``megapixel_iterations`` and ``output_gigabytes`` are those of one of them.
    """

    width: int
    height: int
    scales: tuple[Scale, ...]
    extractor: str
    units: int = 1
    checkpoint_gigabytes: float = 0.0
    output_gigabytes: float = 0.0

    @property
    def iterations(self) -> int:
        """Iterations over all scales."""
        return sum(iterations for _, _, iterations in self.scales)

    @property
    def megapixel_iterations(self) -> float:
        """Σ megapixels · iterations over all scales."""
        each = sum(width * height / MEGA * iterations for width, height, iterations in self.scales)
        return each * self.units

    @property
    def gigabytes(self) -> float:
        """Memory that grows with the picture; tiles bound the rest."""
        return self.width * self.height * (STATE_BYTES + CONTENT_BYTES) / 1e9


def footprint(scales: Sequence[Scale], extractor: str) -> Footprint:
    """The footprint of a pyramid of ``(width, height, iterations)``; it needs at least one scale."""
    width, height, _ = max(scales, key=lambda scale: scale[0] * scale[1])
    return Footprint(width, height, tuple(scales), extractor)


def rate(pixels: int, speed: Speed) -> float:
    """Megapixel-iterations per second on a picture of ``pixels``."""
    megapixels = pixels / MEGA
    return speed.rate_inf * megapixels / (megapixels + speed.p_half)


def seconds(work: Footprint, accelerator: Accelerator) -> float:
    """Expected seconds of ``work`` on one ``accelerator``, checkpoints included, without its start-up.

    Raises:
        Unavailable: nothing is known about the extractor's speed there.
    """
    speed, total = accelerator.speed(work.extractor), 0.0
    for width, height, iterations in work.scales:
        megapixels = width * height / MEGA
        running = megapixels * iterations / rate(width * height, speed)
        checkpoint = megapixels * accelerator.checkpoint_seconds
        interval = checkpoint_interval(CHECKPOINT_SECONDS, checkpoint)
        total += running + checkpoint * (running // interval)
    return total
