"""Loss against time of every preset, drawn and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from farm.catalog import Catalogue, models_folder
from farm.cli.bench_engine.bench import STYLE_SIDE, Bench, picture
from farm.cli.bench_engine.extent import FULL, QUICK
from farm.cli.bench_engine.report import bench_of, set_up
from farm.cli.out import messages
from farm.cli.plot import check
from farm.engine.measure.race import Point, engine_points, script_points
from farm.engine.measure.yardstick import Yardstick
from farm.engine.models import TEXTURE
from farm.engine.pyramid import PRESETS, plan_scales
from farm.errors import Unavailable
from farm.settings import Settings

SCRIPT = "script"
Curves = Mapping[str, Sequence[Point]]


def curves(settings: Settings, path: Path, *, quick: bool, device: str | None) -> list[Path]:
    """Measure, draw into ``path`` and write the numbers beside; returns both files.

    Raises:
        InvalidInput: the path's ending is of no picture, or there is no such device.
        Unavailable: matplotlib or the extractor is not here, or the files cannot be written.
    """
    check(path, "curves")
    machine, extent = set_up(settings, device), QUICK if quick else FULL
    bench = bench_of(TEXTURE, Catalogue(models_folder(settings)), machine, extent)
    if bench is None:
        raise Unavailable(f"bench: {TEXTURE} is not on this machine; see 'farm models list'.")
    found = measured(bench)
    numbers = path.with_suffix(".json")
    facts = {
        "size": extent.curve_side, "extractor": bench.name, "precision": bench.kind.name,
        "curves": {name: [asdict(point) for point in points] for name, points in found.items()},
    }  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        draw(found, path, f"{extent.curve_side}² print, {bench.name}, {bench.kind.name}")
    except OSError as error:
        raise Unavailable(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder you may write."
        ) from None
    return [path, numbers]


def measured(bench: Bench) -> Curves:
    """A curve per preset, and one of a plain script at the final size."""
    extent, side = bench.extent, bench.extent.curve_side
    content, style = picture("scene", 1, side), picture("marble", 1, STYLE_SIDE)
    subject = bench.made_of(content, style).harmonised()
    yardstick = Yardstick(subject)
    first, *others = yardstick.losses(subject.content)
    start = Point(0.0, 0, mean([first, *others]), first)
    found: dict[str, Sequence[Point]] = {}
    for preset in PRESETS:
        messages().print(f"Following preset {preset} at {side}² …")
        evaluator, scales = subject.evaluator(bench.kind), plan_scales(side, side, preset)
        points = engine_points(subject, evaluator, yardstick, scales, extent.curve_every)
        found[preset] = [start, *points]
    messages().print(f"Following a script at {side}² …")
    points = script_points(subject, yardstick, extent.race_iterations, extent.curve_every)
    found[SCRIPT] = [start, *points]
    return found


def draw(found: Curves, path: Path, title: str) -> None:
    """Seconds across, loss upwards, both logarithmic; the start, at no seconds, is left out."""
    # A figure of its own, so that no display is asked for and no other figure is touched.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, points in found.items():
        style: dict[str, Any] = {"color": "0.45", "linestyle": "--"} if name == SCRIPT else {}
        label = "script: float32 autograd, final size" if name == SCRIPT else f"preset {name}"
        axes.plot(
            [point.seconds for point in points[1:]], [point.loss for point in points[1:]], label=label,
            **style,
        )  # fmt: skip
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="seconds",
        ylabel="loss at the final size, float32, all grid positions",
    )
    for axis, form in ((axes.xaxis, "{x:g}"), (axes.yaxis, "{x:.2g}")):
        axis.set_major_formatter(form)
    axes.yaxis.set_minor_formatter("{x:.2g}")
    axes.set_title(title)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path)
