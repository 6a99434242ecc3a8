"""The speed of a type that nobody has measured, from its rates: a roofline of peak and bandwidth.

Work and traffic of an iteration are those of the engine's own planner. What part of the roof is reached
is taken from types that were measured, where there are some; else from the processor that was, and cut
by half, for promises are to be kept. Williams, Waterman and Patterson, "Roofline" (CACM 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from statistics import median

from farm.engine import needs
from farm.engine.taps import BLOCKS, READINGS, chain
from farm.route.accelerator import Accelerator, Speed
from farm.route.catalogue import Catalogue, Entry, Rate
from farm.route.footprint import NUMBER_BYTES

REACHED = {"farm-texture": 0.63, "vgg19": 0.885}
"""Of the processor's own matrix products, 1024² in bfloat16: see docs/benchmarks.md."""
CAUTION = 0.5
"""Of that, on types like none that was measured: data sheets give peaks, not products."""
OVERHEAD_SECONDS = 0.01
"""Of an iteration that no pixels take, on a GPU that was not measured: assumed."""
PASSES = 6
"""How often a map is moved: written, read and read for sums going up; the same going down."""
PREVIEW, PREVIEW_OVER_TEXTURE = "farm-preview", 5.0
"""A pass of the preview net over an iteration of farm-texture; more were measured on a processor."""


def roof(entry: Entry, extractor: str, precision: Rate) -> tuple[float, str]:
    """Megapixel-iterations per second that ``entry`` can do at most, and what of it is the limit.

    Raises:
        KeyError: the type has no rate in that precision.
    """
    flops, moved_bytes = _iteration(extractor, NUMBER_BYTES[precision])
    peak = entry.tflops[precision] * 1e12 / flops / 1e6
    moved = entry.bandwidth_gb_s * 1e9 / moved_bytes / 1e6 if entry.bandwidth_gb_s else peak
    if moved < peak:
        return moved, f"{entry.bandwidth_gb_s:g} GB/s"
    return peak, f"{entry.tflops[precision]:g} TFLOPS in {precision}"


def speeds(entry: Entry, catalogue: Catalogue, measured: Mapping[str, Accelerator]) -> dict[str, Speed]:
    """The estimated speeds of a type with every extractor.

    Args:
        measured: entries of ``calibration`` by name; types that are among them say what is reached.
    """
    found = {name: _speed(entry, name, catalogue, measured) for name in READINGS}
    texture = found["farm-texture"]
    found[PREVIEW] = texture.model_copy(
        update={"rate_inf": texture.rate_inf * PREVIEW_OVER_TEXTURE, "p_half": texture.p_half}
    )
    return found


def precisions(entry: Entry, extractor: str = "vgg19") -> dict[str, float]:
    """Speed in each precision over that in the one taken unasked."""
    usual, _ = roof(entry, extractor, entry.auto)
    return {name: roof(entry, extractor, name)[0] / usual for name in entry.tflops}


@lru_cache(maxsize=16)
def _iteration(extractor: str, number: int) -> tuple[float, float]:
    """Operations and moved bytes of an untiled iteration, per pixel."""
    read = READINGS[extractor]
    net = needs.net(chain(BLOCKS[extractor]), {*read.style, *read.content}, read.content, number)
    # A multiplication and an addition, forward and backward.
    return 2 * 2 * net.work, PASSES * net.maps


def _speed(
    entry: Entry, extractor: str, catalogue: Catalogue, measured: Mapping[str, Accelerator]
) -> Speed:
    most, limit = roof(entry, extractor, entry.auto)
    known = _measured(entry, extractor, catalogue, measured)
    if known:
        share = median(rate for rate, _ in known.values())
        overhead = median(seconds for _, seconds in known.values())
        like = f"as {', '.join(sorted(known))} reaches"
    else:
        share, overhead = REACHED[extractor] * CAUTION, OVERHEAD_SECONDS
        like = "assumed"
    rate = most * share
    return Speed(
        rate_inf=rate,
        p_half=rate * overhead,
        source=f"speed estimated from {limit} at {share:.0%}, {like}",
    )


def _measured(
    entry: Entry, extractor: str, catalogue: Catalogue, measured: Mapping[str, Accelerator]
) -> dict[str, tuple[float, float]]:
    """Of each measured type of that kind: the share of its roof, and seconds that no pixels take."""
    found = {}
    for name, one in measured.items():
        known, speed = catalogue.find(name), one.speeds.get(extractor)
        if known is None or speed is None or not speed.calibrated or one.kind != entry.kind:
            continue
        most, _ = roof(catalogue.types[known], extractor, catalogue.types[known].auto)
        found[known] = (speed.rate_inf / most, speed.p_half / speed.rate_inf)
    return found
