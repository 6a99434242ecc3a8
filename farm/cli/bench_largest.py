"""One full iteration of the largest print there is, written out strip by strip, and what it took."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from farm.catalog import Catalogue, models_folder, procedural
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.dispatch.pictures import tensor
from farm.engine.gradient import Evaluator
from farm.engine.memory import free_bytes, keep_pages
from farm.engine.mesh import Alone
from farm.engine.models import TEXTURE, load_extractor
from farm.engine.optimise import Iterate, optimise
from farm.engine.planner import Demand, Net, plan
from farm.engine.precision import precision
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe, recipe_for
from farm.engine.styles import Style
from farm.imaging import Picture
from farm.imaging.encoding import Encoding
from farm.imaging.picture import Array
from farm.imaging.strips import write_strips
from farm.settings import Settings

SOURCE = (724, 1024)
_ROWS = 256


def figures(
    settings: Settings, out: Path, size: tuple[int, int], gigabytes: float | None = None
) -> list[Figure]:
    """Plan, run one iteration, write a BigTIFF to ``out``.

    Args:
        size: width and height in pixels.
        gigabytes: the memory that the plan may use; what is free if absent.

    Raises:
        TooLarge: the picture does not fit.
        Unavailable: ``out`` cannot be written.
    """
    keep_pages()
    device = torch.device("cpu")
    extractor = load_extractor(Catalogue(models_folder(settings)), TEXTURE, device)
    recipe, kind = recipe_for(TEXTURE), precision("auto", extractor, device)
    width, height = size
    names = list(extractor.taps)
    deepest = max(names.index(tap) for tap in recipe.taps)
    net = Net(
        [extractor.taps[name] for name in names[: deepest + 1]],
        recipe.content_taps,
        kind.dtype.itemsize,
    )
    free = gigabytes * 1e9 if gigabytes else free_bytes(device)
    planned = plan(Demand(height, width), net, free)
    messages().print(f"One iteration of {width}×{height}: {planned} …")
    evaluator = Evaluator(
        extractor, planned.tile, kind.dtype, planned.keep, recompute=planned.recompute
    )
    began, before = perf_counter(), _resident()
    iterate = _once(evaluator, recipe, Scale(width, height, 1))
    seconds = perf_counter() - began
    began = perf_counter()
    encoding = Encoding("tiff", 16, 300.0, big=True)
    write_strips(out, _strips(iterate), size, encoding)
    written = perf_counter() - began
    pixels = width * height
    peak = _resident() - before
    return [
        Figure(name=f"{width}×{height} one iteration", value=iterate.seconds, unit="s",
               ratios={"MP·it/s": pixels / 1e6 / iterate.seconds}, note=f"{kind.name}, {planned}"),
        Figure(name="with targets and content", value=seconds, unit="s"),
        Figure(name="peak memory", value=peak / 1e9, unit="GB",
               ratios={"of_the_plan": peak / planned.bytes, "bytes_per_pixel": peak / pixels}),
        Figure(name="BigTIFF, 16 bits, deflated", value=out.stat().st_size / 1e6, unit="MB",
               ratios={"bytes_per_pixel": out.stat().st_size / pixels},
               note=f"written in {written:.0f} s"),
        Figure(name="loss before the step", value=iterate.loss.item()),
    ]  # fmt: skip


def _once(evaluator: Evaluator, recipe: Recipe, scale: Scale) -> Iterate:
    content = tensor(Picture(procedural.picture("scene", 1, *SOURCE)))
    style = Style(tensor(Picture(procedural.picture("marble", 1, 512, 512))), scale=0.25)
    return next(optimise(content, [style], evaluator, recipe, [scale]))


def _strips(iterate: Iterate) -> Iterator[Array]:
    for _, rows in iterate.strips(Alone(torch.device("cpu")), _ROWS):
        yield np.ascontiguousarray(rows[0].permute(1, 2, 0).numpy())


def _resident() -> int:
    """The largest size this process ever had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
