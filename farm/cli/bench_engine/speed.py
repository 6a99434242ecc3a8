"""The pace of iterations beside plain code, the machine's ceiling and the convolutions alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm.cli.bench_engine.bench import MEGA, Bench, Machine
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.clock import SystemClock
from farm.engine.measure.ceiling import ceiling_side, matmul_flops
from farm.engine.measure.iteration import convolution_seconds, iteration_pace, net_pace
from farm.engine.measure.pace import Pace
from farm.engine.measure.plain import plain_pace
from farm.engine.measure.speed import fit_speed
from farm.engine.measure.subject import Subject
from farm.engine.measure.work import convolution_flops
from farm.engine.precision import PRECISIONS, Precision, available
from farm.route.accelerator import Speed
from farm.route.calibration import FILE, record
from farm.settings import Settings

FLOAT32 = PRECISIONS["float32"]


@dataclass(frozen=True)
class Timed:
    """One size in one precision: whole iterations, the net alone, its convolutions alone."""

    subject: Subject
    kind: Precision
    whole: Pace
    net: Pace
    convolutions: float


def ceilings(machine: Machine) -> list[Figure]:
    """The matrix products that everything is read against."""
    side, found = ceiling_side(machine.device), machine.ceilings
    there = [
        Figure(name=f"matmul {side}³ {name}", value=flops / 1e9, unit="GFLOP/s",
               ratios={"times_float32": flops / found[FLOAT32.name]})
        for name, flops in found.items()
    ]  # fmt: skip
    missing = [
        Figure(name=f"matmul {name}", note=f"not measured: {name} needs a GPU")
        for name in PRECISIONS
        if name not in found
    ]
    return there + missing


def measure_ceilings(machine: Machine) -> Machine:
    """The machine, with its ceilings."""
    device = machine.device
    found = {kind.name: matmul_flops(kind, device) for kind in available(device)}
    return replace(machine, ceilings=found)


def paces(bench: Bench) -> tuple[list[Figure], list[Pace]]:
    """Every size: the script, then the engine; and the paces in the precision of prints."""
    found, fastest = [], []
    for side in bench.sides:
        messages().print(f"Measuring {bench.name} at {side}² …")
        subject = bench.subject(side)
        plain = plain_pace(subject, bench.effort)
        found.append(
            Figure(name=f"{bench.name} {side}² script", value=_rate(side, plain), unit="MP·it/s",
                   note="Gram script: untiled NCHW autograd as torch does float32, torch.optim.Adam")
        )  # fmt: skip
        for kind in dict.fromkeys((bench.kind, FLOAT32)):
            timed = _timed(bench, subject, kind)
            found += rows(bench, side, timed, plain)
            if kind == bench.kind:
                fastest.append(timed.whole)
    return found, fastest


def _timed(bench: Bench, subject: Subject, kind: Precision) -> Timed:
    evaluator, effort = subject.evaluator(kind), bench.effort
    return Timed(
        subject,
        kind,
        iteration_pace(subject, evaluator, effort),
        net_pace(subject, evaluator, effort),
        convolution_seconds(subject, kind, effort),
    )


def rows(bench: Bench, side: int, timed: Timed, plain: Pace) -> list[Figure]:
    """The pace of a size in a precision beside the script's, and its work beside the ceiling."""
    name, whole = f"{bench.name} {side}² {timed.kind.name}", timed.whole.median
    asked = convolution_flops(bench.extractor, bench.recipe.taps, side, side)
    pace = Figure(
        name=name, value=_rate(side, timed.whole), unit="MP·it/s",
        ratios={
            "times_the_script": plain.median / whole,
            "times_its_convolutions": whole / timed.convolutions,
            "times_its_net": whole / timed.net.median,
        },
    )  # fmt: skip
    work = Figure(
        name=f"{name}, work asked for", value=asked / whole / 1e9, unit="GFLOP/s",
        ratios=shares(bench, side, timed, bench.machine.ceilings[timed.kind.name]),
    )  # fmt: skip
    return [pace, work]


def shares(bench: Bench, side: int, timed: Timed, ceiling: float) -> Mapping[str, float]:
    """Of the ceiling, over the time of the whole iteration and of parts of it."""
    taps = bench.recipe.taps
    asked = convolution_flops(bench.extractor, taps, side, side)
    done = convolution_flops(bench.extractor, taps, side, side, margin=True)
    return {
        "of_matmul_ceiling": asked / timed.whole.median / ceiling,
        "with_the_margin": done / timed.whole.median / ceiling,
        "by_the_net_alone": asked / timed.net.median / ceiling,
        "by_convolutions_alone": asked / timed.convolutions / ceiling,
    }


def fitted(bench: Bench, found: Sequence[Pace], settings: Settings | None) -> list[Figure]:
    """The law that quotes reckon with, kept for them where there are settings.

    Raises:
        Unavailable: the farm's home cannot be written.
    """
    megapixels = [side**2 / MEGA for side in bench.sides]
    rate, half = fit_speed(megapixels, [pace.median for pace in found])
    spread = math.sqrt(sum(pace.spread**2 for pace in found) / len(found))
    if settings:
        speed = Speed(rate_inf=rate, p_half=half, spread=spread, measured_at=SystemClock().now())
        entry = record(settings, bench.name, speed, gpu=bench.machine.gpu)
        messages().print(
            f"Recorded {bench.name} for {entry.name} in {settings.folder / FILE}; quotes use it."
        )
    name = f"{bench.name} {bench.kind.name} fitted"
    return [
        Figure(name=f"{name} rate_inf", value=rate, unit="MP·it/s", ratios={"spread": spread}),
        Figure(name=f"{name} p_half", value=half, unit="MP"),
    ]


def _rate(side: int, pace: Pace) -> float:
    return side**2 / MEGA / pace.median
