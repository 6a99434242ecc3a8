"""How much there is to compute: FLOPs of convolutions, and what tiles add to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from farm.engine.extractor import RGB, Extractor, Tap
from farm.engine.frame import MARGIN, Frame
from farm.engine.gradient import Evaluator


def convolution_flops(
    extractor: Extractor, taps: Iterable[str], height: int, width: int, *, margin: bool = False
) -> int:
    """FLOPs of one gradient's convolutions for a picture of ``height × width``.

    Forward and backward to the input, never to the frozen weights: ``2 · 2 · 3² · c_in · c_out`` per
    position of each map down to the deepest tap. The reflection around the picture is counted only
    with ``margin``: it is cost, not work that was asked for.
    """
    beyond = 2 * MARGIN if margin else 0
    total, previous = 0, extractor.taps[RGB].channels
    for tap in down_to(extractor, taps):
        positions = ((height + beyond) // tap.stride) * ((width + beyond) // tap.stride)
        total += 4 * 9 * previous * tap.channels * positions
        previous = tap.channels
    return total


def down_to(extractor: Extractor, taps: Iterable[str]) -> list[Tap]:
    """The convolutions down to the deepest of the taps."""
    names = list(extractor.taps)
    last = max(names.index(name) for name in taps)
    return [extractor.taps[name] for name in names[1 : last + 1]]


def explained_by_tiles(evaluator: Evaluator, frames: Sequence[Frame], taps: frozenset[str]) -> float:
    """The convolutions of iterations by tiles over those of untiled ones.

    Every tile computes its halo too: forward in pass 1, forward and backward in pass 2, where it may
    see further, and only once forward where its maps are kept. Backward takes as long as forward.
    """
    tiled = untiled = 0
    for frame in frames:
        for number, tile in enumerate(evaluator.tiling(frame, taps)):
            tiled += 2 * tile.span.pixels
            if number >= evaluator.keep:
                tiled += tile.near.pixels
        untiled += 2 * frame.rows * frame.columns
    return tiled / untiled
