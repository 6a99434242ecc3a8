"""How much more the planner pays than whoever knew all jobs beforehand, on small random instances.

The online side is the farm's own: whenever a job arrives or a place becomes free, ``plan_queue`` plans
what waits, and what is to begin now begins. Both sides keep the same deadlines, on the same pools, with
times that are certain, so that the difference is due to what is not known yet and to the planner alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from farm.engine.pyramid import plan_scales
from farm.route.accelerator import Accelerator, Pool, Preemption, Speed
from farm.route.board import Board
from farm.route.footprint import footprint
from farm.route.optimum import Arrival, optimum
from farm.route.plan import STEPS, Queued, plan_queue
from farm.route.policy import Wish
from farm.route.ways import Ways, weigh

SORTS = (  # name, megapixel-iterations a second, USD an hour on demand and as spot, memory in GB
    ("t4", 4.0, 0.53, 0.19, 16), ("l4", 9.0, 0.81, 0.32, 24), ("a10g", 11.0, 1.21, 0.48, 24),
    ("a100", 38.0, 4.10, 1.60, 40), ("h100", 80.0, 9.80, 3.90, 80),
)  # fmt: skip
"""Figures to draw instances from, of about the catalogue's proportions; they promise nothing."""


@dataclass(frozen=True)
class Run:
    """What one instance came to: USD online and at best, and deadlines that were missed online."""

    online_usd: float
    optimal_usd: float
    missed: int

    @property
    def regret(self) -> float:
        """Relative to the optimum."""
        return self.online_usd / self.optimal_usd - 1


def measure(seed: int, jobs: int, gap: float = 0.0, steps: int = STEPS) -> Run | None:
    """One instance; None where not even the optimum keeps all deadlines. Arguments as elsewhere."""
    board, arrivals = instance(seed, jobs, gap)
    usd, missed = online(arrivals, board, steps)
    best = optimum(arrivals, board, below=float("inf") if missed else usd * (1 + 1e-9))
    return Run(usd, best.usd, missed) if best else None


def online(jobs: Sequence[Arrival], board: Board, steps: int) -> tuple[float, int]:
    """What the planner pays for jobs that it hears of as they arrive, and deadlines that it misses."""
    busy: list[list[float]] = [[] for _ in board.pools]
    moments = sorted({job.at for job in jobs})
    waiting: list[Arrival] = []
    usd, missed, come = 0.0, 0, sorted(jobs, key=lambda job: job.at)
    while moments or waiting:
        now = moments.pop(0)
        while come and come[0].at <= now:
            waiting.append(come.pop(0))
        busy = [[end for end in ends if end > now] for ends in busy]
        slots = plan_queue([Queued(job.ways, job.wish) for job in waiting], board, now, busy, steps)
        left = []
        for job, slot in zip(waiting, slots, strict=True):
            if slot is None or slot.begins > now:
                left.append(job)
                continue
            end = now + float(job.ways.expected_seconds[slot.way])
            busy[board.pool[slot.way]] += [end] * int(board.places[slot.way])
            usd += float(job.ways.expected_usd[slot.way])
            missed += not slot.kept
            moments = sorted({*moments, end})
        waiting = left
    return usd, missed


def instance(seed: int, jobs: int, gap: float) -> tuple[Board, list[Arrival]]:
    """Spot capacity that is scarce, on-demand of the same sorts that is not, and jobs for them.

    Args:
        seed: of the draw.
        jobs: how many.
        gap: mean seconds between two arrivals; 0: all are there at once.
    """
    draw = random.Random(seed)  # noqa: S311  (instances are to be the same again)
    pools = []
    for sort in draw.sample(SORTS, draw.randint(2, 3)):
        count = draw.randint(1, 3)
        known = Preemption(events=2, hours=draw.uniform(4, 60))
        card = _card(*sort[:3], sort[4])
        pools += [
            Pool(name=f"{sort[0]}-spot", accelerator=card, count=count, machine=count,
                 market="spot", usd_per_hour=sort[3], preemption=known),
            Pool(name=sort[0], accelerator=card, count=4 * jobs, machine=4),
        ]  # fmt: skip
    board = Board.of(pools)
    arrivals, now = [], 0.0
    for _ in range(jobs):
        ways = _certain(_ways(draw, board))
        fastest = float(ways.p90_seconds[ways.able].min())
        due = now + fastest * draw.uniform(1.2, 12.0)
        arrivals.append(Arrival(ways, Wish(due=due), now))
        now += draw.expovariate(1 / gap) if gap else 0.0
    return board, arrivals


def _card(name: str, speed: float, price: float, memory: float) -> Accelerator:
    speeds = {"vgg19": Speed(rate_inf=speed, p_half=speed / 100, measured_at=0.0)}
    return Accelerator(
        name=name, kind="cuda", speeds=speeds, memory_gb=memory, usd_per_hour=price, startup_seconds=20,
        gang_share=0.05, number_bytes=2,
    )  # fmt: skip


def _ways(draw: random.Random, board: Board) -> Ways:
    edge = round(1000 * draw.uniform(1, 5))
    scales = plan_scales(edge, edge * 3 // 4, "standard")
    return weigh(footprint([(s.width, s.height, s.iterations) for s in scales], "vgg19"), board)


def _certain(ways: Ways) -> Ways:
    """The same ways with every run as long, and as dear, as the mean of them."""
    seconds, usd = ways.expected_seconds, ways.expected_usd
    return replace(
        ways, p50_seconds=seconds, p90_seconds=seconds, p50_usd=usd, p90_usd=usd,
        interval=np.full(len(seconds), np.inf),
    )  # fmt: skip
