"""Traces out of a seed: days of orders on a fleet, and one kind of trouble, or all of them.

Nothing here knows of any policy. Sizes of prints come from paper, deadlines from clocks ("by six",
"within the hour"), budgets from what pictures cost on common machines; some of either cannot be kept.
Orders by the hour: a day that is quiet at night. Speeds and preemption rates are drawn around what the
catalogue says, and policies are not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from farm.engine.pyramid import plan_scales
from farm.errors import InvalidInput
from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.footprint import Footprint, footprint
from farm.route.simulate.market import CHANGES, truth
from farm.route.simulate.trace import Flags, Floats, Integers, Orders, Project, Trace
from farm.route.ways import weigh
from farm.spec.base import suggestion

HOUR, DAY = 3600.0, 86400.0
KINDS = ("diurnal", "burst", *CHANGES, "mixed")
"""What can be generated; all but the first add something to it."""

PRINTS = {
    "1024": (1024, 683, 0.15), "2048": (2048, 1365, 0.20), "a4": (2480, 3508, 0.25),
    "a3": (3508, 4961, 0.18), "a2": (4961, 7016, 0.12), "a1": (7016, 9933, 0.06),
    "a0": (9933, 14043, 0.04),
}  # fmt: skip
"""Width and height in pixels, at 300 dpi where it is paper, and share of all prints."""
FRAMES = {"hd": (1920, 1080, 0.7), "uhd": (3840, 2160, 0.3)}
PRESETS = {"draft": 0.2, "standard": 0.6, "fine": 0.2}
EXTRACTORS = {"vgg19": 0.7, "farm-texture": 0.3}
CHUNK = 24
"""Frames of a task of a shot: a second of film."""
SHOTS = 0.2
"""Share of tasks that belong to shots."""
PROJECTS = 24
CAPS = {2: 0.6, 5: 0.4, 8: 0.25, 11: 0.1}
"""Projects with a cap: what they may spend of what their orders would cost on common machines."""
BUDGETED, BUDGET_SPREAD = 0.15, 0.7
"""Share of orders with a budget, and how far those are off what common machines cost."""
BURST_SHARE, BURST_HOURS = 0.25, 3.0
NONE = np.inf


@dataclass(frozen=True)
class Extent:
    """How large a trace is."""

    jobs: int = 10_000
    days: float = 1.0
    seed: int = 1


def generate(kind: str, pools: tuple[Pool, ...], extent: Extent) -> Trace:
    """A trace of one of ``KINDS`` on ``pools``: the same one for the same arguments.

    Raises:
        InvalidInput: there is no such kind, or nothing to generate.
    """
    if kind not in KINDS:
        raise InvalidInput(f"generate: no trace {kind!r}; {suggestion(kind, KINDS)}", field="generate")
    if extent.jobs < 1 or extent.days <= 0:
        raise InvalidInput("jobs: ask for at least one job and some days.", field="jobs")
    # A stream of its own for each part: more jobs do not change the market.
    orders, market = (np.random.default_rng([extent.seed, part]) for part in range(2))
    seconds, works = extent.days * DAY, _works()
    bursting = kind in ("burst", "mixed")
    common = _common_usd(pools, works.values())
    placed = _orders(orders, extent.jobs, seconds, common, bursting=bursting)
    wanted = tuple(CHANGES) if kind == "mixed" else (kind,) if kind in CHANGES else ()
    rates, speeds = truth(market, pools)
    changes = [change for name in wanted for change in CHANGES[name](market, pools, seconds)]
    return Trace(
        kind, extent.seed, seconds, pools, works, _projects(placed, common), placed,
        tuple(sorted((*rates, *changes), key=lambda change: change.at)), speeds,
    )  # fmt: skip


def _works() -> dict[str, Footprint]:
    """Prints first, then tasks of shots."""
    found = {}
    for extractor in EXTRACTORS:
        for preset in PRESETS:
            for name, (width, height, _) in PRINTS.items():
                found[f"{name}-{preset}-{extractor}"] = _work(width, height, preset, extractor)
    for extractor in EXTRACTORS:
        for preset in PRESETS:
            for name, (width, height, _) in FRAMES.items():
                one = _work(width, height, preset, extractor)
                found[f"{name}x{CHUNK}-{preset}-{extractor}"] = replace(one, units=CHUNK)
    return found


def _work(width: int, height: int, preset: str, extractor: str) -> Footprint:
    scales = plan_scales(width, height, preset)
    return footprint([(scale.width, scale.height, scale.iterations) for scale in scales], extractor)


def _orders(
    random: np.random.Generator, jobs: int, seconds: float, common: Floats, *, bursting: bool
) -> Orders:
    """Prints, shots and, perhaps, a campaign, by the second they are ordered."""
    campaign = int(jobs * BURST_SHARE) if bursting else 0
    tasks = int((jobs - campaign) * SHOTS)
    prints = _prints(random, jobs - campaign - tasks, seconds)
    parts = [prints, _shots(random, tasks, seconds), _campaign(random, campaign, seconds)]
    both = [np.concatenate([part[i] for part in parts]) for i in range(len(prints))]
    order = np.argsort(both[0], kind="stable")
    at, work, project, due, spot = (column[order] for column in both)
    work, project = work.astype(np.int64), project.astype(np.int64)
    drawn = common[work] * random.lognormal(0.0, BUDGET_SPREAD, jobs)
    budget = np.where(random.random(jobs) < BUDGETED, drawn, NONE)
    return Orders(at, work, project, due, budget, spot.astype(bool))


_Columns = tuple[Floats, Integers, Integers, Floats, Flags]
"""Seconds, work, project, due, spot."""


def _prints(random: np.random.Generator, count: int, seconds: float) -> _Columns:
    at = _daily(random, count, seconds)
    work = _drawn(random, count, PRINTS, offset=0)
    return at, work, _who(random, count), _print_due(random, at), random.random(count) > 0.08


def _shots(random: np.random.Generator, tasks: int, seconds: float) -> _Columns:
    """Shots of 4 to 48 tasks that are ordered at once and due together."""
    sizes = random.integers(4, 49, size=max(1, tasks // 10))
    shot = np.repeat(np.arange(len(sizes)), sizes)[:tasks]
    shot = np.concatenate([shot, np.zeros(tasks - len(shot), np.int64)])
    at, count = _daily(random, len(sizes), seconds), len(sizes)
    work = _drawn(random, count, FRAMES, offset=len(PRINTS) * len(PRESETS) * len(EXTRACTORS))
    dailies, soon = _clock(at, 9.0, 6.0), at + random.uniform(2.0, 6.0, count) * HOUR
    due = np.where(random.random(count) < 0.7, dailies, soon)
    who, spot = _who(random, count), random.random(count) > 0.08
    return at[shot], work[shot], who[shot], due[shot], spot[shot]


def _campaign(random: np.random.Generator, count: int, seconds: float) -> _Columns:
    """One project's prints within three hours of the afternoon, due the next morning."""
    begin = min(seconds / 2, seconds - BURST_HOURS * HOUR * 2) if seconds > DAY / 2 else seconds / 2
    at = begin + random.random(count) * min(BURST_HOURS * HOUR, seconds / 8)
    due = _clock(np.full(count, begin), 9.0, 12.0)
    work = _drawn(random, count, PRINTS, offset=0)
    return at, work, np.ones(count, np.int64), due, np.ones(count, bool)


def _daily(random: np.random.Generator, count: int, seconds: float) -> Floats:
    """Seconds drawn from days that are busiest at 15:00 and quiet at night."""
    grid = np.linspace(0, seconds, max(2, int(seconds / 300)) + 1)
    hour = grid / HOUR % 24
    density = 0.25 + np.exp(2.2 * (np.cos((hour - 15) / 24 * 2 * np.pi) - 1)) * 1.5
    total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.asarray(np.interp(random.random(count), total / total[-1], grid))


def _print_due(random: np.random.Generator, at: Floats) -> Floats:
    """None, within two hours, by six o'clock, within a day; and two of a hundred out of reach."""
    count = len(at)
    sort = random.choice(5, size=count, p=[0.45, 0.25, 0.18, 0.10, 0.02])
    soon = at + 0.5 * HOUR * 4.0 ** random.random(count)
    late = at + random.uniform(4.0, 24.0, count) * HOUR
    never = at + random.uniform(20.0, 60.0, count)
    none = np.full(count, NONE)
    return np.choose(sort, [none, soon, _clock(at, 18.0, 2.0), late, never])


def _clock(at: Floats, hour: float, least: float) -> Floats:
    """The next time it is ``hour`` o'clock, at least ``least`` hours away."""
    earliest = at + least * HOUR
    return np.asarray(np.ceil((earliest - hour * HOUR) / DAY) * DAY + hour * HOUR)


def _drawn(
    random: np.random.Generator, count: int, sizes: Mapping[str, tuple[int, int, float]], offset: int
) -> Integers:
    """Indices into the works, as ``_works`` lays them out."""
    extractor = random.choice(len(EXTRACTORS), size=count, p=list(EXTRACTORS.values()))
    preset = random.choice(len(PRESETS), size=count, p=list(PRESETS.values()))
    size = random.choice(len(sizes), size=count, p=[share for _, _, share in sizes.values()])
    return np.asarray(offset + (extractor * len(PRESETS) + preset) * len(sizes) + size, np.int64)


def _who(random: np.random.Generator, count: int) -> Integers:
    """A few projects order most."""
    shares = 1 / np.arange(1, PROJECTS + 1)
    return random.choice(PROJECTS, size=count, p=shares / shares.sum())


def _projects(orders: Orders, common: Floats) -> tuple[Project, ...]:
    spent = np.bincount(orders.project, weights=common[orders.work], minlength=PROJECTS)
    caps = [round(CAPS[i] * float(spent[i]), 2) if i in CAPS else None for i in range(PROJECTS)]
    return tuple(Project(f"studio-{i:02d}", cap) for i, cap in enumerate(caps))


def _common_usd(pools: tuple[Pool, ...], works: Iterable[Footprint]) -> Floats:
    """What each footprint costs on one accelerator of the middle one of all on-demand pools."""
    board = Board.of(pools, 1)
    found = []
    for work in works:
        ways = weigh(work, board)
        among = ways.able & ~board.spot if (ways.able & ~board.spot).any() else ways.able
        found.append(float(np.median(ways.p50_usd[among])))
    return np.array(found)
