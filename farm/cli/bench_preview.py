"""Previews: the net alone, what a person waits for over HTTP, and what becomes of it under load."""

from __future__ import annotations

import os
import socket
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from farm import settings
from farm.catalog import Catalogue, models_folder, procedural
from farm.cli import bench_load
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.client import Client
from farm.dispatch.previews import Previewer
from farm.engine.models import PREVIEW
from farm.errors import Unreachable
from farm.imaging import Limits, Picture, encode
from farm.route.calibration import cores

SIZES = (256, 512)
PASSES = 20
TRIPS, TRIPS_QUICK = 100, 20
STRENGTH = 0.5
STYLE_SIDE = 256
BATCH = 4
"""Pictures of 512² in a batch of the interactive tier."""


def figures(*, quick: bool) -> list[Figure]:
    """The net's own time per size, then round trips of one client to a farm.

    Raises:
        Unavailable: weights are damaged, or a farm could not be started.
    """
    chosen = settings.load()
    catalogue = Catalogue(models_folder(chosen))
    if PREVIEW not in {card.name for card in catalogue.models()}:
        return [Figure(name=PREVIEW, note="not measured: farm-preview is not on this machine")]
    torch.set_num_threads(cores(chosen))
    messages().print("Measuring the preview net …")
    bare, batched = bare_passes(catalogue), batched_pace(catalogue)
    trips, load = (TRIPS_QUICK, bench_load.QUICK) if quick else (TRIPS, bench_load.FULL)
    with _farm() as (client, began):
        found = [*_bare(bare), *_first(client, began), *round_trips(client, bare, trips)]
        messages().print("Measuring previews under load …")
        content, style = jpeg("scene", load.side), jpeg("marble", STYLE_SIDE)
        return [*found, *bench_load.figures(client, content, style, batched, load)]


def bare_passes(catalogue: Catalogue) -> dict[int, float]:
    """Median seconds of one forward pass by size."""
    previewer = Previewer(catalogue, Limits(), torch.device("cpu"))
    medians = {}
    for side in SIZES:
        ready = previewer.prepare(jpeg("scene", side), jpeg("marble", STYLE_SIDE), side, STRENGTH)
        taken = []
        for _ in range(1 + PASSES):
            began = perf_counter()
            previewer.stylise([ready])
            taken.append(perf_counter() - began)
        medians[side] = statistics.median(taken[1:])
    return medians


def batched_pace(catalogue: Catalogue) -> float:
    """Pictures of 512² a second that the net makes by itself, in batches as large as the tier's."""
    previewer, side = Previewer(catalogue, Limits(), torch.device("cpu")), SIZES[-1]
    ready = previewer.prepare(jpeg("scene", side), jpeg("marble", STYLE_SIDE), side, STRENGTH)
    taken = []
    for _ in range(1 + PASSES // BATCH):
        began = perf_counter()
        previewer.stylise([ready] * BATCH)
        taken.append(perf_counter() - began)
    return BATCH / statistics.median(taken[1:])


def _bare(bare: dict[int, float]) -> list[Figure]:
    return [
        Figure(name=f"net alone {side}²", value=seconds * 1e3, unit="ms",
               note=f"median of {PASSES}, on a quiet machine")
        for side, seconds in bare.items()
    ]  # fmt: skip


def _first(client: Client, began: float | None) -> list[Figure]:
    """The first answer also finds out in which precision the net is fastest and encodes the style."""
    name, since = "first answer after start", perf_counter()
    client.preview(
        jpeg("scene", SIZES[0]), jpeg("marble", STYLE_SIDE), size=SIZES[0], strength=STRENGTH
    )
    now = perf_counter()
    if began is None:
        return [Figure(name=name, note="not measured: the farm was running already")]
    return [
        Figure(name=name, value=now - began, unit="s", note="from nothing to the picture"),
        Figure(name="first request", value=(now - since) * 1e3, unit="ms", note="once the farm is up"),
    ]


def round_trips(client: Client, bare: dict[int, float], trips: int) -> list[Figure]:
    """Figures of ``trips`` previews per size, asked for one after the other."""
    found = []
    style = jpeg("marble", STYLE_SIDE)
    for side in SIZES:
        messages().print(f"Measuring {trips} round trips at {side}² …")
        content = jpeg("scene", side)
        taken, stages = [], []
        for number in range(1 + trips):
            picture = bench_load.renamed(content, number)
            began = perf_counter()
            answer = client.preview(picture, style, size=side, strength=STRENGTH)
            taken.append(perf_counter() - began)
            stages.append(answer.stages)
        found += _side(side, taken[1:], stages[1:], bare[side])
    return found


def _side(
    side: int, taken: Sequence[float], stages: Sequence[dict[str, float]], bare: float
) -> list[Figure]:
    """Figures of one size. What serving adds is what of each trip lies outside its stages."""
    median = statistics.median(taken)
    p95 = statistics.quantiles(taken, n=20, method="inclusive")[-1]
    parts = {name: statistics.median(one[name] for one in stages) for name in stages[0]}
    added = statistics.median(trip - sum(one.values()) for trip, one in zip(taken, stages, strict=True))
    return [
        Figure(name=f"round trip {side}²", value=median * 1e3, unit="ms",
               ratios={"times_the_net_alone": median / bare}, note="median, one client"),
        Figure(name=f"round trip {side}², p95", value=p95 * 1e3, unit="ms",
               ratios={"of_the_median": p95 / median}),
        *(
            Figure(name=f"round trip {side}²: {name}", value=seconds * 1e3, unit="ms",
                   ratios={"of_the_median": seconds / median})
            for name, seconds in parts.items()
        ),
        Figure(name=f"round trip {side}²: added by serving", value=added * 1e3, unit="ms",
               ratios={"of_the_median": added / median}),
    ]  # fmt: skip


def jpeg(generator: str, side: int) -> bytes:
    """A procedural picture as a file, the same in every run."""
    file = BytesIO()
    encode(Picture(procedural.picture(generator, 1, side, side)), file, format="jpeg", bits=8)
    return file.getvalue()


@contextmanager
def _farm() -> Iterator[tuple[Client, float | None]]:
    """A client of the farm that runs, or of one started for this, with the moment that began."""
    with Client(settings.load().farm_url) as client:
        try:
            client.ready()
        except Unreachable:
            pass
        else:
            messages().print(f"Measuring the farm at {client.url}.")
            yield client, None
            return
    with _started() as found:
        yield found


@contextmanager
def _started() -> Iterator[tuple[Client, float | None]]:
    from farm.cli.house import build_gateway
    from farm.tiers import local

    with (
        TemporaryDirectory(prefix="farm-bench-", ignore_cleanup_errors=True) as home,
        _environment(home),
    ):
        chosen, began = settings.load(), perf_counter()
        messages().print("Starting a farm to measure …")
        with (
            local.running(chosen, build_gateway, models_folder(chosen)),
            Client(chosen.farm_url) as client,
        ):
            yield client, began


@contextmanager
def _environment(home: str) -> Iterator[None]:
    """A home and ports of its own, for the processes of the farm too."""
    before = dict(os.environ)
    for name in ("FARM_URL", "FARM_DATABASE", "FARM_STORE"):
        os.environ.pop(name, None)
    os.environ.update(
        FARM_HOME=home, FARM_PORT=str(_free_port()), FARM_DASHBOARD_PORT=str(_free_port())
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
