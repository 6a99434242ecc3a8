"""How much work a job is, known before it runs: the sum over scales of pixels times iterations.

Scales, tiles, memory and state are the engine's own: ``pyramid``, ``planner`` and ``needs`` are asked,
nothing is reckoned again here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from farm.engine import needs
from farm.engine.planner import (
    CONTENT_BYTES,
    STATE_BYTES,
    Demand,
    Net,
    checkpoint_interval,
    pace,
    plan,
)
from farm.engine.taps import BLOCKS, READINGS, chain
from farm.errors import TooLarge
from farm.route.accelerator import Accelerator, Speed
from farm.spec.output import Output

Scale = tuple[int, int, int]
"""Width and height in pixels, and iterations, of one scale of the pyramid."""

MEGA = 1e6
CHECKPOINT_SECONDS = 15.0
"""Interval that prints are kept at, unless it cannot be borne."""
UNTILED = 0
"""As a ``tile``: one tile for the whole picture, whatever that takes."""
DEFLATED = {8: 0.6, 16: 0.9, 32: 1.0}
"""Of its plain size what a finished print takes as TIFF, PNG or EXR at most, by bits of a channel."""
JPEG = 0.15
"""Of its plain size what it takes as JPEG."""
NUMBER_BYTES = {"float32": 4, "tfloat32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Footprint:
    """The work of one job. ``width`` and ``height`` are those of its largest scale.

    ``units`` are pictures of that size that can be made apart, such as frames; all figures but
    ``megapixel_iterations`` and ``output_gigabytes`` are those of one of them.

    Args:
        tile: side in pixels that was asked for; None leaves it to the planner.
        masks: styles with a mask.
    """

    width: int
    height: int
    scales: tuple[Scale, ...]
    extractor: str
    units: int = 1
    checkpoint_gigabytes: float = 0.0
    output_gigabytes: float = 0.0
    optimiser: Literal["adam", "lbfgs"] = "adam"
    precision: str = "auto"
    tile: int | None = None
    masks: int = 0
    reproducible: bool = True

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


@dataclass(frozen=True)
class Fit:
    """How a picture fits an accelerator, on each of the devices that share it.

    Args:
        tile: side in pixels; None for untiled.
        work: of all iterations, what tiles, their halos and neighbours' rows make of it: 1 for an
            untiled picture on one device.
        gigabytes: of memory at the peak.
        scales: ``work`` at each scale.
    """

    tile: int | None
    work: float
    gigabytes: float
    scales: tuple[float, ...]


def footprint(scales: Sequence[Scale], extractor: str) -> Footprint:
    """The footprint of a pyramid of ``(width, height, iterations)``; it needs at least one scale."""
    width, height, _ = max(scales, key=lambda scale: scale[0] * scale[1])
    optimised = extractor in READINGS
    kept = width * height * needs.state_bytes("adam") / 1e9 if optimised else 0.0
    return Footprint(width, height, tuple(scales), extractor, checkpoint_gigabytes=kept)


def with_optimiser(work: Footprint, optimiser: Literal["adam", "lbfgs"]) -> Footprint:
    """The same pyramid by another optimiser, which keeps more or less."""
    kept = work.width * work.height * needs.state_bytes(optimiser) / 1e9
    return replace(work, optimiser=optimiser, checkpoint_gigabytes=kept)


def output_gigabytes(output: Output, width: int, height: int) -> float:
    """What a finished picture takes in its file at most, as it was found on prints."""
    channels = 4 if output.alpha == "keep" else 3
    share = JPEG if output.format == "jpeg" else DEFLATED[output.bits]
    return width * height * channels * output.bits / 8 * share / 1e9


def fit(work: Footprint, accelerator: Accelerator, devices: int = 1) -> Fit | None:
    """How one unit of ``work`` fits on each of so many accelerators; None where no tile does.

    The processors of a gang share their machine's memory; GPUs have their own.
    """
    shared = devices if accelerator.kind == "cpu" else 1
    number = NUMBER_BYTES.get(work.precision, accelerator.number_bytes)
    one = replace(work, units=1, output_gigabytes=0.0) if work.units > 1 else work
    return _fit(one, accelerator.memory_gb / shared, number, devices)


def rate(pixels: int, speed: Speed) -> float:
    """Megapixel-iterations per second on a picture of ``pixels``."""
    megapixels = pixels / MEGA
    return speed.rate_inf * megapixels / (megapixels + speed.p_half)


def running(work: Footprint, accelerator: Accelerator) -> float:
    """Expected seconds of one unit's iterations on one ``accelerator``, with nothing beside them.

    Where the picture does not fit, as if it did.

    Raises:
        Unavailable: nothing is known about the extractor's speed there.
    """
    return sum(_seconds_by_scale(work, accelerator))


def saving(work: Footprint, accelerator: Accelerator) -> float:
    """Seconds that a checkpoint of the largest scale takes."""
    if work.extractor in READINGS:
        return work.checkpoint_gigabytes * 1e9 / STATE_BYTES / MEGA * accelerator.checkpoint_seconds
    return work.width * work.height / MEGA * accelerator.checkpoint_seconds


def seconds(work: Footprint, accelerator: Accelerator) -> float:
    """Expected seconds of one unit on one ``accelerator``, checkpoints included, without its start-up.

    Raises:
        Unavailable: nothing is known about the extractor's speed there.
    """
    total, largest = 0.0, work.width * work.height
    for (width, height, _), spent in zip(
        work.scales, _seconds_by_scale(work, accelerator), strict=True
    ):
        checkpoint = saving(work, accelerator) * width * height / largest
        interval = checkpoint_interval(CHECKPOINT_SECONDS, checkpoint)
        total += spent + checkpoint * (spent // interval)
    return total


def _seconds_by_scale(work: Footprint, accelerator: Accelerator) -> list[float]:
    speed = accelerator.speed(work.extractor)
    swift = accelerator.precisions.get(work.precision, 1.0)
    fitted = fit(work, accelerator)
    factors = fitted.scales if fitted else (1.0,) * len(work.scales)
    return [
        width * height / MEGA * iterations / rate(width * height, speed) / swift * factor
        for (width, height, iterations), factor in zip(work.scales, factors, strict=True)
    ]


@lru_cache(maxsize=1 << 14)
def _fit(work: Footprint, memory_gb: float, number: int, devices: int) -> Fit | None:
    if work.extractor not in READINGS:
        fits = work.gigabytes <= memory_gb
        return Fit(None, 1.0, work.gigabytes, (1.0,) * len(work.scales)) if fits else None
    net = _net(work.extractor, number, work.reproducible)

    def demand(width: int, height: int) -> Demand:
        return needs.demand(width, height, devices=devices, optimiser=work.optimiser, masks=work.masks)

    tile = max(work.width, work.height) + 64 if work.tile == UNTILED else work.tile
    try:
        chosen = plan(demand(work.width, work.height), net, memory_gb * 1e9, tile)
    except TooLarge:
        return None
    if work.tile == UNTILED:
        chosen = replace(chosen, tile=None)
    beside = min(2, devices - 1)
    paces = tuple(pace(demand(width, height), net, chosen, beside) for width, height, _ in work.scales)
    asked = [width * height * iterations for width, height, iterations in work.scales]
    done = sum(pixels * each for pixels, each in zip(asked, paces, strict=True))
    return Fit(chosen.tile, done / sum(asked), chosen.bytes / 1e9, paces)


@lru_cache(maxsize=64)
def _net(extractor: str, number: int, reproducible: bool) -> Net:
    taps, read = chain(BLOCKS[extractor]), READINGS[extractor]
    return needs.net(
        taps, {*read.style, *read.content}, read.content, number, reproducible=reproducible
    )
