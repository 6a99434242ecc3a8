"""How far apart results are that ought to be the same."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from farm.cli.bench_engine.bench import Bench
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.losses import STYLE_LOSSES
from farm.engine.measure.exactness import finished_by, psnr, tiling_error
from farm.engine.pyramid import Scale

_TILE = 256


def errors(bench: Bench) -> list[Figure]:
    """Of the tiled gradient, for each loss."""
    messages().print("Measuring the tiled gradient's error …")
    (height, width), tile = bench.extent.error_size, bench.extent.error_tile
    told = f"‖tiled − untiled‖ / ‖untiled‖, {bench.name}, float64, {width}×{height}, tile {tile}"
    found = {
        loss: tiling_error(bench.extractor, replace(bench.recipe, loss=loss), (height, width), tile)
        for loss in STYLE_LOSSES
    }
    return [
        Figure(name=f"tiled gradient's error, {loss}", value=error, note="" if number else told)
        for number, (loss, error) in enumerate(found.items())
    ]


def layouts(bench: Bench) -> list[Figure]:
    """Of finished pictures, at the precision of prints: untiled, by tiles, on two ranks."""
    side, count = bench.extent.layout_side, bench.extent.layout_iterations
    messages().print(f"Comparing layouts of a print of {side}² …")
    subject = bench.subject(side).harmonised()
    half = side // 2
    scales = (Scale(half, half, count), Scale(side, side, count))
    untiled, tiles = subject.evaluator(bench.kind), subject.evaluator(bench.kind, _TILE)
    one = finished_by(subject, untiled, scales, [bench.device])
    told = f"{bench.name}, {bench.kind.name}, finished pictures of {side}², {count} iterations a scale"
    return [
        _decibels(f"tiles of {_TILE} against untiled", one,
                  finished_by(subject, tiles, scales, [bench.device]), told),
        _decibels("two ranks against one", one,
                  finished_by(subject, untiled, scales, [bench.device] * 2)),
    ]  # fmt: skip


def _decibels(name: str, one: Tensor, other: Tensor, told: str = "") -> Figure:
    value = psnr(one, other)
    if math.isinf(value):  # JSON has no infinity
        return Figure(name=name, unit="dB PSNR", note=", ".join(filter(None, ["the same bits", told])))
    return Figure(name=name, value=value, unit="dB PSNR", note=told)
