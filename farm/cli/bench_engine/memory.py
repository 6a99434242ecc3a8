"""What a print takes at its peak, and for every further pixel."""

from __future__ import annotations

from dataclasses import replace

from farm.cli.bench_engine.bench import MEGA, Bench
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.measure.growth import Trial, peaks


def growth(bench: Bench) -> list[Figure]:
    """Between two sizes by tiles of one size, each in a process of its own.

    Raises:
        Unavailable: one of them failed.
    """
    small, large = trials = [_trial(bench, side) for side in bench.extent.memory_sides]
    sizes = [trial.side**2 / MEGA for trial in trials]
    messages().print(f"Measuring the memory of {sizes[0]:.3g} and {sizes[1]:.3g} MP …")
    least, most = peaks(trials)
    pixels = large.side**2 - small.side**2
    grown, expected = (most - least) / pixels, (large.predicted - small.predicted) / pixels
    told = (
        f"one iteration of {large.side}², tile {large.tile}, {bench.kind.name}, no maps kept, content "
        f"of {large.content_side}² computed again; a fresh process each"
    )
    return [
        Figure(name="memory of each further pixel", value=grown, unit="bytes",
               ratios={"of_the_planners": grown / expected},
               note=f"from {sizes[0]:.3g} to {sizes[1]:.3g} MP; the planner expects {expected:.3g}"),
        Figure(name=f"memory of {sizes[1]:.3g} MP", value=most / 1e9, unit="GB",
               ratios={"of_the_planners": most / large.predicted}, note=told),
    ]  # fmt: skip


def _trial(bench: Bench, side: int) -> Trial:
    tile, kind = bench.extent.memory_tile, bench.kind.name
    found = Trial.of(bench.extractor, bench.recipe, kind, tile, side)
    # Both run at the same time, and the large one takes nearly all of it.
    return replace(found, device=str(bench.device), threads=bench.machine.threads)
