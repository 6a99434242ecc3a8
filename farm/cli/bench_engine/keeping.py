"""What a checkpoint costs."""

from __future__ import annotations

from farm.cli.bench_engine.bench import MEGA, Bench
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.measure.keeping import checkpoint_cost


def checkpoints(bench: Bench) -> list[Figure]:
    """Keeping and reading one, in a store in the temporary folder.

    Raises:
        Unavailable: that folder cannot be written.
    """
    side = bench.extent.checkpoint_side
    messages().print(f"Keeping and reading a checkpoint of {side}² …")
    cost = checkpoint_cost(side, bench.device, bench.effort)
    megapixels = cost.pixels / MEGA
    told = f"Adam's state of {side}², synced, in the temporary folder"
    return [
        Figure(name="checkpoint, to keep", value=cost.keeping / megapixels, unit="s/MP",
               note=f"{told}: {cost.bytes / cost.keeping / 1e9:.2g} GB/s"),
        Figure(name="checkpoint, to read", value=cost.reading / megapixels, unit="s/MP",
               ratios={"of_the_time_to_keep_it": cost.reading / cost.keeping}),
        Figure(name="checkpoint, in the store", value=cost.bytes / cost.pixels, unit="bytes/px"),
    ]  # fmt: skip
