"""What a run that was watched says about the speed of its accelerator."""

from __future__ import annotations

from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.footprint import MEGA, Footprint
from farm.route.ways import running_by_scale
from farm.spec.cost import Pace

Mark = tuple[int, int]
"""How far a run has come: the scale it is at, from 1, and the iterations it has done there."""

LEAST_SECONDS = 1.0
"""Between two marks, so that what they say is more than the noise of a clock."""


def pace(
    work: Footprint, pool: Pool, devices: int, since: Mark, until: Mark, seconds: float
) -> Pace | None:
    """The pace of a run that took ``seconds`` from one mark to another; None where that says nothing.

    The rate is the one with which the same model that quotes are made of would have foretold them.

    Args:
        pool: with any speed of the extractor's: the result does not depend on it.
        devices: ranks that shared the picture.
    """
    speed = pool.accelerator.speeds.get(work.extractor)
    done = [_share(scale, since, until, work) for scale in range(1, len(work.scales) + 1)]
    if speed is None or seconds < LEAST_SECONDS or not any(done):
        return None
    running, _, _ = running_by_scale(work, Board.of([pool], devices))
    expected = sum(share * float(each) for share, each in zip(done, running[0], strict=True))
    megapixels = [width * height * count / MEGA for width, height, count in work.scales]
    amount = sum(share * each for share, each in zip(done, megapixels, strict=True))
    return Pace(megapixel_iterations=amount, seconds=seconds, rate=speed.rate_inf * expected / seconds)


def _share(scale: int, since: Mark, until: Mark, work: Footprint) -> float:
    """Of a scale's iterations, those between the marks."""
    iterations = work.scales[scale - 1][2]
    return max(0.0, _reached(scale, until, iterations) - _reached(scale, since, iterations))


def _reached(scale: int, mark: Mark, iterations: int) -> float:
    if scale != mark[0]:
        return 1.0 if scale < mark[0] else 0.0
    return min(1.0, mark[1] / iterations)
