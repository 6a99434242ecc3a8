"""What the pictures come to: losses in fewer digits, and the time to a script's loss."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from farm.cli.bench_engine.bench import Bench
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.measure.race import Point, engine_points, reached, script_points
from farm.engine.measure.subject import Subject
from farm.engine.measure.yardstick import Yardstick, loss_share
from farm.engine.precision import PRECISIONS
from farm.engine.pyramid import PRESETS, Scale, plan_scales

Pairs = Mapping[str, tuple[Tensor, Tensor]]
"""Content and style by name."""
_EVERY = 8
"""Iterations between two looks at the engine's loss."""


def precisions(bench: Bench, pairs: Pairs) -> list[Figure]:
    """The final loss in the precision of prints over that in float32, per pair."""
    exact = PRECISIONS["float32"]
    kind = PRECISIONS["bfloat16"] if bench.kind == exact else bench.kind
    name = f"final loss, {kind.name} over float32"
    if not pairs:
        return [Figure(name=name, note="not measured: the catalogue has no styles")]
    found = {}
    for pair, (content, style) in pairs.items():
        messages().print(f"Printing {pair} in {kind.name} and float32 …")
        subject = bench.made_of(content, style).harmonised()
        scales = _scales(content, "draft", bench.extent.most_iterations)
        one, other = (subject.evaluator(each) for each in (kind, exact))
        found[pair] = loss_share(subject, scales, one, other)
    told = f"same iterations, {_size(next(iter(pairs.values()))[0])}, draft; both losses in float32"
    return [
        Figure(name=f"{name}, median", value=statistics.median(found.values()), ratios=found),
        Figure(name=f"{name}, worst", value=max(found.values()), note=f"{bench.name}, {told}"),
    ]


def race(bench: Bench, content: Tensor, style: Tensor) -> Figure:
    """The engine's time until its loss is at most the one that a plain script ends with."""
    subject = bench.made_of(content, style).harmonised()
    iterations = bench.extent.race_iterations
    messages().print(f"Racing a script of {iterations} iterations at {_size(content)} …")
    yardstick = Yardstick(subject)
    *_, script = script_points(subject, yardstick, iterations, every=iterations)
    tried: dict[str, Point] = {}
    there = False
    for preset in PRESETS:
        tried[preset], there = _raced(bench, subject, yardstick, preset, script.loss)
        if there:
            break
    return outcome(bench, _size(content), script, tried, there=there)


def _raced(
    bench: Bench, subject: Subject, yardstick: Yardstick, preset: str, loss: float
) -> tuple[Point, bool]:
    scales = _scales(subject.content, preset, None)
    evaluator = subject.evaluator(bench.kind)
    points = engine_points(subject, evaluator, yardstick, scales, _EVERY, since=len(scales))
    return reached(points, loss)


def outcome(
    bench: Bench, size: str, script: Point, tried: Mapping[str, Point], *, there: bool
) -> Figure:
    """The race in one row: the last preset tried, and how those before it ended."""
    *short, last = tried
    told = (
        f"{bench.name} {size}, preset {last} in {bench.kind.name}, against {script.iterations} "
        "iterations of plain float32 autograd at the final size; same objective and start, losses read "
        "in float32 outside the time, over all positions of the pools' grid"
    )
    ended = [
        f"{preset} ended at {tried[preset].loss / script.loss:.3g} of its loss" for preset in short
    ]
    name, point = "time to the script's final loss", tried[last]
    if not there:
        ended.append(f"{last} ended at {point.loss / script.loss:.3g} of its loss")
        return Figure(name=name, note="; ".join(["not reached", *ended, told]))
    return Figure(
        name=name, value=point.seconds, unit="s", note="; ".join([told, *ended]),
        ratios={"of_the_scripts_time": point.seconds / script.seconds,
                "times_as_fast": script.seconds / point.seconds,
                "of_its_loss_at_the_position_that_it_sees": point.fixed / script.fixed},
    )  # fmt: skip


def _scales(content: Tensor, preset: str, most: int | None) -> tuple[Scale, ...]:
    height, width = content.shape[-2:]
    found = plan_scales(width, height, preset)
    if most is None:
        return found
    return tuple(replace(scale, iterations=min(scale.iterations, most)) for scale in found)


def _size(content: Tensor) -> str:
    return f"{content.shape[-1]}×{content.shape[-2]}"
