"""What tiles cost, beside what their halos and the second pass account for."""

from __future__ import annotations

from farm.cli.bench_engine.bench import Bench
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.evaluation import frames
from farm.engine.measure.iteration import iteration_pace
from farm.engine.measure.pace import Pace
from farm.engine.measure.work import explained_by_tiles

_PARTS = (4, 2)
"""Tiles along a side of the largest picture: as many as are not mostly halo."""


def tiled(bench: Bench, untiled: Pace) -> list[Figure]:
    """The largest size by tiles, with no maps kept from pass 1 and with all of them.

    Args:
        untiled: iterations of that size untiled, in the precision of prints.
    """
    side = bench.sides[-1]
    subject = bench.subject(side)
    turns = frames(subject.scale(), bench.recipe)
    halo = subject.evaluator(bench.kind).tiling(turns[0], bench.recipe.taps).halo
    tile = next((side // parts for parts in _PARTS if side // parts >= 4 * halo), None)
    if tile is None:
        note = f"not measured: {side}² is too small for a halo of {halo} px"
        return [Figure(name=f"{bench.name} {side}² by tiles", note=note)]
    found = []
    for keep, told in ((0, "none kept"), (side**2, "all kept")):
        messages().print(f"Measuring {bench.name} at {side}² by tiles of {tile}, {told} …")
        evaluator = subject.evaluator(bench.kind, tile, keep)
        times = iteration_pace(subject, evaluator, bench.effort).median / untiled.median
        explained = explained_by_tiles(evaluator, turns, bench.recipe.taps)
        ratios = {
            "of_what_halo_and_second_pass_explain": times / explained,
            "explained": explained,
        }
        name = f"{bench.name} {side}² tiles of {tile}, {told}"
        found.append(Figure(name=name, value=times, unit="× untiled", ratios=ratios))
    return found
