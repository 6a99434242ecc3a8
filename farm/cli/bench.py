"""``farm bench``: what this machine does, as figures that are read beside others of the same run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from farm import settings
from farm.cli import figures
from farm.cli.figures import Figure
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, say

Quick = Annotated[bool, typer.Option("--quick", help="Smaller sizes and fewer repeats.")]
NoCalibrate = Annotated[
    bool, typer.Option("--no-calibrate", help="Do not keep the measured speeds for quotes.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="cpu or cuda:0; a GPU if there is one."),
]
Curves = Annotated[
    Path | None,
    typer.Option(
        "--curves", metavar="FILE", help="Draw loss against time of every preset, and nothing else."
    ),
]
Postgres = Annotated[
    str | None,
    typer.Option(
        "--postgres", metavar="URL", help="Measure this PostgreSQL too, in a schema of its own."
    ),
]
Quality = Annotated[
    bool, typer.Option("--quality", help="Measure how near previews come to prints instead.")
]
Sheet = Annotated[
    Path | None, typer.Option("--sheet", metavar="FILE", help="The same, with a sheet of pictures.")
]
Keep = Annotated[bool, typer.Option("--keep", help="The same, written into the cards of the nets.")]
Photographs = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Where the held-out photographs are.")
]
Parts = Mapping[str, Callable[[], list[Figure]]]
"""What to measure, by the name it has in the report."""

bench_app = typer.Typer(help="Measure this machine.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(bench_app, name="bench", rich_help_panel=OPERATE)


@bench_app.command()
def engine(
    json: Json = False, quick: Quick = False, no_calibrate: NoCalibrate = False,
    device: Device = None, curves: Curves = None,
) -> None:  # fmt: skip
    """Measure prints: speed, exactness, memory, losses; keeps the speeds for quotes."""
    if curves is None:
        _report({"engine": _engine(quick, no_calibrate, device)}, json)
        return
    from farm.cli.bench_engine.curves import curves as drawn

    files = drawn(settings.load(), curves, quick=quick, device=device)
    if json:
        emit({"files": files})
        return
    for file in files:
        say(str(file))


@bench_app.command()
def preview(
    json: Json = False, quick: Quick = False, quality: Quality = False, sheet: Sheet = None,
    keep: Keep = False, photographs: Photographs = Path("jobs/pictures"),
) -> None:  # fmt: skip
    """Measure previews: the net alone, and round trips to a farm (one is started if none runs)."""
    if not (quality or sheet or keep):
        _report({"preview": _preview(quick)}, json)
        return

    def measure() -> list[Figure]:
        from farm.cli import bench_quality

        return bench_quality.figures(photographs, sheet, keep=keep)

    _report({"quality": measure}, json)


@bench_app.command()
def queue(json: Json = False, quick: Quick = False, postgres: Postgres = None) -> None:
    """Measure the queue: submissions, claims and events per second."""
    _report({"queue": _queue(quick, postgres)}, json)


@bench_app.command()
def route(json: Json = False, quick: Quick = False) -> None:
    """Measure routing: decisions, plans against the optimum, and policies in simulation."""
    _report({"route": _route(quick)}, json)


@bench_app.command()
def quotes(json: Json = False, quick: Quick = False) -> None:
    """Measure quotes: small prints through the dispatcher, each against what it was quoted."""
    _report({"quotes": _quotes(quick)}, json)


@bench_app.command()
def largest(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The BigTIFF to write.")],
    memory: Annotated[
        float | None,
        typer.Option(min=0.5, metavar="GB", help="What the plan may use; default: all free."),
    ] = None,
    width: Annotated[int, typer.Option(min=64, help="Pixels; default: A0 at 300 dpi.")] = 9933,
    height: Annotated[int, typer.Option(min=64, help="Pixels.")] = 14043,
    json: Json = False,
) -> None:
    """Run one full iteration of the largest print, and say what it took."""

    def measure() -> list[Figure]:
        from farm.cli import bench_largest

        return bench_largest.figures(settings.load(), out, (width, height), memory)

    _report({"largest": measure}, json)


@bench_app.command("all")
def everything(json: Json = False, quick: Quick = False, no_calibrate: NoCalibrate = False) -> None:
    """Measure all of it, one after the other."""
    parts: Parts = {
        "engine": _engine(quick, no_calibrate),
        "preview": _preview(quick),
        "queue": _queue(quick),
        "route": _route(quick),
    }
    _report(parts, json)


def _engine(quick: bool, no_calibrate: bool, device: str | None = None) -> Callable[[], list[Figure]]:
    def measure() -> list[Figure]:
        from farm.cli.bench_engine import report

        calibrate = not no_calibrate
        return report.figures(settings.load(), quick=quick, calibrate=calibrate, device=device)

    return measure


def _preview(quick: bool) -> Callable[[], list[Figure]]:
    def measure() -> list[Figure]:
        from farm.cli import bench_preview

        return bench_preview.figures(quick=quick)

    return measure


def _queue(quick: bool, postgres: str | None = None) -> Callable[[], list[Figure]]:
    def measure() -> list[Figure]:
        from farm.cli import bench_queue

        return bench_queue.figures(quick=quick, postgres=postgres)

    return measure


def _route(quick: bool) -> Callable[[], list[Figure]]:
    def measure() -> list[Figure]:
        from farm.cli import bench_route

        return bench_route.figures(quick=quick)

    return measure


def _quotes(quick: bool) -> Callable[[], list[Figure]]:
    def measure() -> list[Figure]:
        from farm.cli import bench_quotes

        return bench_quotes.figures(settings.load(), quick=quick)

    return measure


def _report(parts: Parts, json: bool) -> None:
    """Measure and show part by part; JSON is one object at the end."""
    machine = _machine()
    if json:
        emit({"machine": machine, **{name: part() for name, part in parts.items()}})
        return
    say(", ".join(f"{name} {value}" for name, value in machine.items()))
    for name, part in parts.items():
        found = part()
        say(f"\n{name}")
        figures.show(found)


def _machine() -> dict[str, str]:
    from farm.route.calibration import cores

    return {
        "processor": _processor(),
        "threads": str(cores(settings.load())),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": version("torch"),
        "farm": version("style-farm"),
    }


def _processor() -> str:
    """The processor's name, as Linux or else Python knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
