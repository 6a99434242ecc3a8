"""The engine's speed per extractor and size, and this machine's entry in the catalogue from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.catalog import Catalogue, models_folder, procedural
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.clock import SystemClock
from farm.dispatch.pictures import tensor
from farm.engine import measure
from farm.engine.extractor import Extractor
from farm.engine.gradient import Evaluator
from farm.engine.measure import Pace
from farm.engine.models import TEXTURE, VGG19, load_extractor
from farm.engine.optimise import Recipe
from farm.engine.precision import NAMES, name_of, precision
from farm.engine.recipe import recipe_for
from farm.imaging import Picture
from farm.route.accelerator import Speed
from farm.route.calibration import FILE, cores, record
from farm.settings import Settings

EXTRACTORS = (TEXTURE, VGG19)
CPU = torch.device("cpu")
SIZES, SIZES_QUICK = (256, 512, 1024), (128, 256)
REPEATS, REPEATS_QUICK = 5, 3
ERROR_SIZE, ERROR_TILE = (160, 200), 64
STYLE_SIDE = 256


@dataclass(frozen=True)
class Bench:
    """One extractor to be measured, and what the machine's ceiling is in FLOP/s by precision."""

    name: str
    extractor: Extractor
    recipe: Recipe
    kind: torch.dtype
    ceilings: dict[torch.dtype, float]
    sizes: Sequence[int]
    repeats: int


def figures(settings: Settings, *, quick: bool, calibrate: bool) -> list[Figure]:
    """Everything about the engine; with ``calibrate`` the speeds are kept for quotes.

    Raises:
        Unavailable: weights are damaged, or the farm's home cannot be written.
    """
    torch.set_num_threads(cores(settings))
    ceilings = {kind: measure.matmul_flops(kind) for kind in NAMES.values()}
    found = [
        Figure(name=f"matmul {measure.CEILING_SIDE}³ {name_of(kind)}", value=flops / 1e9,
               unit="GFLOP/s", ratios={"times_float32": flops / ceilings[torch.float32]})
        for kind, flops in ceilings.items()
    ]  # fmt: skip
    catalogue = Catalogue(models_folder(settings))
    sizes, repeats = (SIZES_QUICK, REPEATS_QUICK) if quick else (SIZES, REPEATS)
    here = {card.name for card in catalogue.models()}
    for name in EXTRACTORS:
        if name not in here:
            found.append(Figure(name=name, note=f"not measured: {name} is not on this machine"))
            continue
        extractor = load_extractor(catalogue, name, CPU)
        kind = precision("auto", extractor, CPU)
        bench = Bench(name, extractor, recipe_for(name), kind, ceilings, sizes, repeats)
        found += measured(bench, settings if calibrate else None)
    return found


def measured(bench: Bench, settings: Settings | None) -> list[Figure]:
    """All figures of one extractor; with ``settings`` its fitted speed is kept for quotes.

    Raises:
        Unavailable: the farm's home cannot be written.
    """
    found, paces = [], []
    for side in bench.sizes:
        messages().print(f"Measuring {bench.name} at {side}² …")
        size_figures, pace = _size(bench, side)
        found += size_figures
        paces.append(pace)
    found.append(_tiled(bench, paces[-1]))
    found.append(
        Figure(
            name=f"{bench.name} tiled gradient's error",
            value=measure.tiling_error(bench.extractor, bench.recipe, ERROR_SIZE, ERROR_TILE),
            note=f"‖tiled − untiled‖ / ‖untiled‖, float64, {ERROR_SIZE[1]}×{ERROR_SIZE[0]}, "
            f"tile {ERROR_TILE}",
        )
    )
    return found + _fitted(bench, paces, settings)


def _size(bench: Bench, side: int) -> tuple[list[Figure], Pace]:
    content, style = picture("scene", side), picture("marble", STYLE_SIDE)
    plain = measure.plain_pace(bench.extractor, bench.recipe, content, style, bench.repeats)
    kinds = dict.fromkeys((bench.kind, torch.float32))
    paces, found = {}, []
    for kind in kinds:
        evaluator = Evaluator(bench.extractor, None, kind)
        paces[kind] = measure.iteration_pace(evaluator, bench.recipe, content, style, bench.repeats)
        net = measure.net_pace(evaluator, bench.recipe, content, bench.repeats)
        found.append(_rate(bench, side, kind, paces[kind], net, plain))
    found.append(
        Figure(name=f"{bench.name} {side}² plain float32", value=_megapixels(side) / plain.median,
               unit="MP·it/s", note="untiled NCHW autograd with Gram losses")
    )  # fmt: skip
    return found, paces[bench.kind]


def _rate(bench: Bench, side: int, kind: torch.dtype, whole: Pace, net: Pace, plain: Pace) -> Figure:
    taps = (*bench.recipe.style_taps, *bench.recipe.content_taps)
    flops = measure.convolution_flops(bench.extractor, taps, side, side)
    ceiling = bench.ceilings[kind]
    return Figure(
        name=f"{bench.name} {side}² {name_of(kind)}",
        value=_megapixels(side) / whole.median,
        unit="MP·it/s",
        ratios={
            "times_plain": plain.median / whole.median,
            "of_matmul_ceiling": flops / whole.median / ceiling,
            "of_matmul_ceiling_by_the_net_alone": flops / net.median / ceiling,
            "of_the_time_in_the_net": net.median / whole.median,
        },
    )


def _tiled(bench: Bench, whole: Pace) -> Figure:
    side = bench.sizes[-1]
    tile = side // 4
    content, style = picture("scene", side), picture("marble", STYLE_SIDE)
    evaluator = Evaluator(bench.extractor, tile, bench.kind)
    tiled = measure.iteration_pace(evaluator, bench.recipe, content, style, bench.repeats)
    return Figure(
        name=f"{bench.name} {side}² {name_of(bench.kind)} tiled",
        value=_megapixels(side) / tiled.median,
        unit="MP·it/s",
        ratios={"times_the_untiled_time": tiled.median / whole.median},
        note=f"tile {tile}",
    )


def _fitted(bench: Bench, paces: Sequence[Pace], settings: Settings | None) -> list[Figure]:
    """The law that quotes reckon with, kept for them where there are settings."""
    megapixels = [_megapixels(side) for side in bench.sizes]
    rate, half = measure.fit_speed(megapixels, [pace.median for pace in paces])
    spread = math.sqrt(sum(pace.spread**2 for pace in paces) / len(paces))
    if settings:
        speed = Speed(rate_inf=rate, p_half=half, spread=spread, measured_at=SystemClock().now())
        entry = record(settings, bench.name, speed)
        messages().print(
            f"Recorded {bench.name} for {entry.name} in {settings.folder / FILE}; quotes use it."
        )
    name = f"{bench.name} {name_of(bench.kind)} fitted"
    return [
        Figure(name=f"{name} rate_inf", value=rate, unit="MP·it/s", ratios={"spread": spread}),
        Figure(name=f"{name} p_half", value=half, unit="MP"),
    ]


def picture(generator: str, side: int) -> Tensor:
    """A procedural picture ``(1, 3, side, side)``, the same in every run."""
    return tensor(Picture(procedural.picture(generator, 1, side, side)))


def _megapixels(side: int) -> float:
    return side * side / 1e6
