"""What a second processor thread or further GPUs bring to one picture."""

from __future__ import annotations

from copy import deepcopy

import torch

from farm.cli.bench_engine.bench import Bench
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.measure.pace import Effort
from farm.engine.measure.ranks import speedup
from farm.engine.measure.subject import Subject

CPUS, GPUS = "two ranks of one thread", "several GPUs"


def ranks(bench: Bench) -> list[Figure]:
    """Ranks in processes of their own, against the first of them alone.

    Raises:
        Unavailable: one of them failed.
    """
    return [_cpus(bench), _gpus(bench)]


def _cpus(bench: Bench) -> Figure:
    if bench.device.type != "cpu":
        return Figure(name=CPUS, note="not measured: it is for processors; use --device cpu")
    if bench.machine.threads < 2:
        return Figure(name=CPUS, note="not measured: the farm has one core")
    return _measured(bench, CPUS, ["cpu", "cpu"])


def _gpus(bench: Bench) -> Figure:
    count = torch.cuda.device_count() if bench.device.type == "cuda" else 0
    if count < 2:
        return Figure(name=GPUS, note=f"not measured: needs two GPUs or more, not {count}")
    return _measured(bench, f"{count} GPUs", [f"cuda:{number}" for number in range(count)])


def _measured(bench: Bench, name: str, devices: list[str]) -> Figure:
    side = bench.extent.ranks_side
    messages().print(f"Measuring {name} at {side}² …")
    there = bench.subject(side)
    # What processes are started with must not lie on a GPU of this one.
    net = deepcopy(there.extractor).to("cpu")
    subject = Subject(net, there.recipe, there.content.cpu(), there.style.cpu())
    effort = Effort(bench.extent.ranks_repeats).on(bench.device)
    found = speedup(subject, bench.kind, devices, effort)
    return Figure(
        name=name, value=found.times, unit="× one of them", ratios={"per_rank": found.efficiency},
        note=f"{bench.name} {side}², {bench.kind.name}, a process per rank",
    )  # fmt: skip
