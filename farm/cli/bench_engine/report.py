"""All of the engine's figures, and this machine's entry in the catalogue from them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from farm.catalog import Catalogue, models_folder
from farm.cli.bench_engine import exactness, keeping, memory, outcome, ranks, speed, tiles
from farm.cli.bench_engine.bench import STYLE_SIDE, Bench, Machine, device_of, pairs, picture
from farm.cli.bench_engine.extent import FULL, QUICK, Extent
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.extractor import Extractor
from farm.engine.measure.subject import random_extractor
from farm.engine.memory import keep_pages
from farm.engine.models import TEXTURE, VGG19, load_extractor
from farm.engine.precision import precision
from farm.engine.recipe import recipe_for
from farm.engine.vgg import BLOCKS
from farm.route.calibration import cores
from farm.route.catalogue import OVERRIDES, read_catalogue
from farm.settings import Settings

SHAPE = "vgg19-shape (random weights)"


def figures(
    settings: Settings, *, quick: bool, calibrate: bool, device: str | None = None
) -> list[Figure]:
    """Everything about the engine; with ``calibrate`` the speeds are kept for quotes.

    Raises:
        InvalidInput: there is no such device.
        Unavailable: weights are damaged, or the farm's home cannot be written.
    """
    extent = QUICK if quick else FULL
    machine = set_up(settings, device)
    catalogue = Catalogue(models_folder(settings))
    found = speed.ceilings(machine)
    if calibrate and machine.device.type != "cpu" and not machine.gpu:
        name = torch.cuda.get_device_name(machine.device)
        messages().print(
            f"{name} is not in the catalogue of accelerators, so its speeds are not kept for quotes; "
            f"add it to {OVERRIDES} in the farm's home."
        )
        calibrate = False
    texture = bench_of(TEXTURE, catalogue, machine, extent)
    vgg = bench_of(VGG19, catalogue, machine, extent)
    for name, bench in ((TEXTURE, texture), (VGG19, vgg)):
        if bench:
            found += speeds(bench, settings if calibrate else None)
        else:
            found.append(Figure(name=name, note=f"not measured: {name} is not on this machine"))
    if vgg is None:
        extractor = random_extractor(BLOCKS, machine.device)
        found += speeds(_bench(SHAPE, VGG19, extractor, machine, extent, extent.shape_sides))
    if texture:
        found += outcomes(texture, catalogue)
    return found


def set_up(settings: Settings, device: str | None) -> Machine:
    """The machine, its memory and threads as prints have them, and its ceilings."""
    keep_pages()
    chosen, threads = device_of(device), cores(settings)
    torch.set_num_threads(threads)
    messages().print("Measuring matrix products …")
    gpu = "" if chosen.type == "cpu" else gpu_type(settings, torch.cuda.get_device_name(chosen))
    return speed.measure_ceilings(Machine(chosen, threads, {}, gpu))


def gpu_type(settings: Settings, name: str) -> str:
    """What the catalogue of accelerators calls a GPU that its driver calls so; empty if it lacks it.

    Raises:
        InvalidInput: the operator's catalogue is not valid.
    """
    catalogue = read_catalogue(settings)
    return catalogue.find(name) or catalogue.find(name.removeprefix("NVIDIA ")) or ""


def bench_of(name: str, catalogue: Catalogue, machine: Machine, extent: Extent) -> Bench | None:
    """An extractor of the catalogue; None if it is not here.

    Raises:
        Unavailable: its weights are damaged.
    """
    if name not in {card.name for card in catalogue.models()}:
        return None
    extractor = load_extractor(catalogue, name, machine.device)
    return _bench(name, name, extractor, machine, extent, extent.sides)


def _bench(  # what a bench is made of
    name: str, recipe: str, extractor: Extractor, machine: Machine, extent: Extent,
    sides: tuple[int, ...],
) -> Bench:  # fmt: skip
    kind = precision("auto", extractor, machine.device)
    return Bench(name, extractor, recipe_for(recipe), kind, machine, extent, sides)


def speeds(bench: Bench, settings: Settings | None = None) -> list[Figure]:
    """The pace untiled and by tiles; with ``settings`` the fitted speed is kept for quotes.

    Raises:
        Unavailable: the farm's home cannot be written.
    """
    found, paces = speed.paces(bench)
    found += tiles.tiled(bench, paces[-1])
    if bench.name != SHAPE:
        found += speed.fitted(bench, paces, settings)
    return found


def outcomes(bench: Bench, catalogue: Catalogue) -> list[Figure]:
    """All but the pace: exactness, ranks, memory, losses, checkpoints.

    Raises:
        Unavailable: a process of its own failed, or the temporary folder cannot be written.
    """
    return [figure for part in _parts(bench, catalogue) for figure in part]


def _parts(bench: Bench, catalogue: Catalogue) -> Iterator[list[Figure]]:
    extent = bench.extent
    yield exactness.errors(bench)
    yield exactness.layouts(bench)
    yield ranks.ranks(bench)
    yield memory.growth(bench)
    yield outcome.precisions(bench, pairs(catalogue, extent.pairs, extent.pair_side))
    content = picture("scene", 1, extent.race_side)
    yield [outcome.race(bench, content, picture("marble", 1, STYLE_SIDE))]
    yield keeping.checkpoints(bench)
