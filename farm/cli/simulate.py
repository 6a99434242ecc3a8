"""``farm simulate``: policies beside each other on a trace of orders, on a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages, say, table
from farm.cli.plot import check
from farm.errors import InvalidInput
from farm.spec.words import duration, money

if TYPE_CHECKING:
    from farm.route.simulate import Outcome, Trace

TracePath = Annotated[
    Path | None, typer.Argument(metavar="TRACE", help="JSON lines; --generate makes one instead.")
]
Policies = Annotated[
    list[str] | None,
    typer.Option("--policy", metavar="NAME", help="One to compare; repeat it. All, if none is named."),
]
Generate = Annotated[
    str | None,
    typer.Option(
        "--generate", metavar="KIND",
        help="diurnal, burst, crunch, prices, stockout, or mixed: all of them.",
    ),
]  # fmt: skip
Save = Annotated[
    Path | None, typer.Option("--save", metavar="FILE", help="Write the generated trace, and end.")
]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw what came of it: .png, .svg, .pdf.")
]
Jobs = Annotated[int, typer.Option("--jobs", help="Orders of a generated trace.")]
Accelerators = Annotated[int, typer.Option("--accelerators", help="Of its fleet, about.")]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="TYPE", help="Accelerators its fleet lacks, e.g. T4; repeat it."),
]
Days = Annotated[float, typer.Option("--days", help="That its orders spread over.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the generated trace, and of preemptions.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=OPERATE)(simulate)


def simulate(
    trace: TracePath = None, policies: Policies = None, generate: Generate = None, save: Save = None,
    jobs: Jobs = 10_000, accelerators: Accelerators = 100, days: Days = 1.0, seed: Seed = 1,
    without: Without = None, plot: Plot = None, json: Json = False,
) -> None:  # fmt: skip
    """Run routing policies through a trace of orders, and compare costs and deadlines.

    The farm's policy is the code that routes real jobs. Nothing is ordered and no farm is needed.
    """
    from farm.route.simulate import POLICIES, compare
    from farm.route.simulate.plots import draw

    if plot is not None:
        check(plot, "plot")
    chosen = _read(trace, generate) or _generated(
        generate or "", jobs, accelerators, days, seed, without or []
    )
    if save is not None:
        _save(chosen, save, generate)
        return
    found = compare(chosen, policies or tuple(POLICIES), seed, messages().print)
    if plot is not None:
        draw(found, plot)
    if json:
        emit({"trace": _about(chosen), "policies": list(found.outcomes)})
        return
    show(found.outcomes)


def show(outcomes: Sequence[Outcome]) -> None:
    """The figures that policies are compared by, as a table on stdout."""
    table(
        ("POLICY", "COST", "SAME ORDERS", "MISSED", "OF", "WAIT P95", "READY P95", "OVER BUDGET",
         "OVER CAP", "PARKED", "IN USE", "SPOT", "LOST RUNS", "JOBS/S"),
        [_row(one) for one in outcomes],
    )  # fmt: skip


def _row(one: Outcome) -> tuple[str, ...]:
    return (
        one.policy, money(one.usd), money(one.usd_alike), f"{one.misses:.2%}", str(one.deadlines),
        duration(one.wait_p95), duration(one.ready_p95), money(one.over_budget_usd),
        money(one.over_cap_usd), str(one.parked), f"{one.utilisation:.0%}", f"{one.spot_share:.0%}",
        str(one.preemptions), f"{one.jobs_per_second:.0f}",
    )  # fmt: skip


def _read(path: Path | None, kind: str | None) -> Trace | None:
    """The trace of a file; None where one is to be generated."""
    from farm.route.simulate import tracefile

    if (path is None) == (kind is None):
        raise InvalidInput(
            "trace: give either the file of a trace or --generate with a kind, such as mixed.",
            field="trace",
        )
    return None if path is None else tracefile.read(path)


def _generated(
    kind: str, jobs: int, accelerators: int, days: float, seed: int, without: Sequence[str]
) -> Trace:
    from farm.route.simulate import Extent, fleet, generate

    return generate(kind, fleet(accelerators, without), Extent(jobs, days, seed))


def _save(trace: Trace, path: Path, kind: str | None) -> None:
    from farm.route.simulate import tracefile

    if kind is None:
        raise InvalidInput("save: there is nothing to write without --generate KIND.", field="save")
    tracefile.write(trace, path)
    say(str(path))


def _about(trace: Trace) -> dict[str, object]:
    return {
        "name": trace.name, "seed": trace.seed, "seconds": trace.seconds, "orders": len(trace.orders),
        "pools": len(trace.pools), "accelerators": sum(pool.count for pool in trace.pools),
    }  # fmt: skip
