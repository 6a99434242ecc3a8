"""Routing: how fast it decides, how well it plans, and what it saves in simulation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import process_time

from farm.cli.figures import Figure
from farm.engine.pyramid import plan_scales
from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.decide import decide
from farm.route.footprint import Footprint, footprint
from farm.route.plan import Queued, plan_queue
from farm.route.policy import Wish
from farm.route.regret import Run, measure
from farm.route.simulate import Extent, Outcome, compare, fleet, generate
from farm.route.ways import weigh
from farm.spec import Routing

POOLS = 50
PRESETS = ("draft", "standard")
FARM = "farm"


@dataclass(frozen=True)
class Sizes:
    """How much is measured: decisions, jobs of a queue and sizes of pictures in it, instances of the
    exact optimum and their jobs, orders of the simulation and its accelerators."""

    decisions: int = 200
    queued: int = 10_000
    pictures: int = 200
    instances: int = 500
    together: int = 7
    orders: int = 50_000
    accelerators: int = 500


QUICK = Sizes(40, 2000, 40, 60, 6, 3000, 100)


def figures(*, quick: bool) -> list[Figure]:
    """All figures; times are those of one core, whatever else it does."""
    sizes = QUICK if quick else Sizes()
    board = Board.of(_pools())
    return [
        *_decisions(board, sizes),
        _planning(board, sizes),
        *_regrets(sizes),
        *_simulated(sizes),
    ]


def _pools() -> list[Pool]:
    """POOLS pools of the catalogue, by type, region and market; some in a second zone."""
    found = list(fleet(1000))
    more = [pool.model_copy(update={"name": f"{pool.name}-b"}) for pool in found]
    return [*found, *more][:POOLS]


def _decisions(board: Board, sizes: Sizes) -> list[Figure]:
    """Explained decisions on footprints that are new to the farm, and on the same ones again."""
    works = _works(sizes.decisions + 3, seed=1)
    for work in works[:3]:
        decide(work, board, Routing(), 0.0)
    first, again = (
        [_seconds(lambda work=work: decide(work, board, Routing(), 0.0)) for work in works[3:]]  # type: ignore[misc]
        for _ in range(2)
    )
    note = f"{len(board.pools)} pools, {len(board.pool)} ways"
    return [
        _milliseconds("decision, new work", first, note),
        _milliseconds("decision, known work", again, note),
    ]


def _planning(board: Board, sizes: Sizes) -> Figure:
    """A queue planned from nothing: every picture's ways, then a place for every job."""
    draw, works = Random(3), _works(sizes.pictures, seed=2)  # noqa: S311  (a queue, no secret)
    orders = [
        (draw.choice(works), draw.choice((None, 3600.0, 7200.0, 28800.0))) for _ in range(sizes.queued)
    ]

    def plan() -> None:
        jobs = [Queued(weigh(work, board), Wish(due=due)) for work, due in orders]
        plan_queue(jobs, board, 0.0)

    rate = len(orders) / _seconds(plan)
    note = f"{len(orders)} jobs of {len(works)} sizes, {len(board.pools)} pools"
    return Figure(name="jobs planned", value=rate, unit="1/s", note=note)


def _regrets(sizes: Sizes) -> list[Figure]:
    """What is paid over the exact optimum, in per cent of it."""
    cases: Sequence[tuple[str, float, bool, str]] = (
        ("a queue that is known", 0.0, True, "searched, as small queues are"),
        ("the same, not searched", 0.0, False, "as large queues are planned"),
        ("orders every 5 min", 300.0, True, "the optimum knows them all beforehand"),
        ("orders every minute", 60.0, True, "the optimum knows them all beforehand"),
    )
    found = []
    for name, gap, searched, note in cases:
        runs = _runs(sizes, gap, searched=searched)
        regrets = [100 * run.regret for run in runs]
        missed = sum(run.missed for run in runs)
        found.append(
            Figure(name=f"regret: {name}", value=round(statistics.mean(regrets), 6) + 0.0, unit="%",
                   note=f"worst {max(regrets):.1f} %, {missed} missed; {note}")
        )  # fmt: skip
    return found


def _runs(sizes: Sizes, gap: float, *, searched: bool) -> list[Run]:
    steps = {} if searched else {"steps": 0}
    runs = (measure(seed, sizes.together, gap, **steps) for seed in range(sizes.instances))
    return [run for run in runs if run is not None]


def _simulated(sizes: Sizes) -> list[Figure]:
    """Costs of the farm's policy beside others on a trace with everything in it."""
    trace = generate("mixed", fleet(sizes.accelerators), Extent(jobs=sizes.orders))
    found = {one.policy: one for one in compare(trace).outcomes}
    farm = found.pop(FARM)
    named = f"{sizes.orders} orders, {sizes.accelerators} accelerators"
    return [
        Figure(name="simulated: cost", value=farm.usd, unit="USD", note=named,
               ratios={f"of_{name}": farm.usd / one.usd for name, one in found.items()}),
        Figure(name="simulated: cost of the same orders", value=farm.usd_alike, unit="USD",
               ratios={f"of_{name}": farm.usd_alike / one.usd_alike for name, one in found.items()}),
        Figure(name="simulated: deadlines missed", value=100 * farm.misses, unit="%",
               note=_misses(found)),
        Figure(name="simulated: over a cap", value=farm.over_cap_intervals, unit="intervals",
               note="at most, of one job's checkpoints"),
        Figure(name="simulated: orders", value=farm.jobs_per_second, unit="1/s"),
    ]  # fmt: skip


def _misses(others: dict[str, Outcome]) -> str:
    return ", ".join(f"{name} {one.misses:.1%}" for name, one in others.items())


def _works(count: int, seed: int) -> list[Footprint]:
    """Prints of so many sizes, from A6 to A3 at 300 dpi or so."""
    draw = Random(seed)  # noqa: S311  (sizes, no secret)
    works = []
    for _ in range(count):
        width = draw.randint(1200, 3600)
        scales = plan_scales(width, round(width * draw.uniform(0.6, 1.4)), draw.choice(PRESETS))
        works.append(footprint([(s.width, s.height, s.iterations) for s in scales], "vgg19"))
    return works


def _milliseconds(name: str, seconds: Sequence[float], note: str) -> Figure:
    worst = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    return Figure(
        name=name,
        value=1e3 * statistics.median(seconds),
        unit="ms",
        note=f"p99 {1e3 * worst:.1f}; {note}",
    )


def _seconds(work: Callable[[], object]) -> float:
    """Of this core."""
    began = process_time()
    work()
    return process_time() - began
