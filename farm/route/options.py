"""Ways as people and records see them: with names, figures and what stands against them."""

from __future__ import annotations

from farm.errors import Unavailable
from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.footprint import Footprint
from farm.route.policy import Wish
from farm.route.ways import Obstacle, Ways, weigh
from farm.spec.routing import Option

ASSUMED = "speed assumed; 'farm bench engine' measures it"


def estimate(work: Footprint, pool: Pool, devices: int = 1) -> Option:
    """Time and price of ``work`` on a gang of ``pool``, start-up included.

    Raises:
        Unavailable: nothing is known about the extractor's speed there.
    """
    pool.accelerator.speed(work.extractor)
    ways = weigh(work, Board.of([pool], devices))
    return option(work, ways, 0)


def option(work: Footprint, ways: Ways, way: int) -> Option:
    """One way with its names and figures."""
    pool = ways.board.pools[ways.pool[way]]
    speed = pool.accelerator.speeds.get(work.extractor)
    unmeasured = "" if speed is None or speed.calibrated else speed.source or ASSUMED
    return Option(
        pool=pool.name,
        accelerator=pool.accelerator.name,
        p50_seconds=float(ways.p50_seconds[way]),
        p90_seconds=float(ways.p90_seconds[way]),
        p50_usd=float(ways.p50_usd[way]),
        p90_usd=float(ways.p90_usd[way]),
        note=unmeasured,
        devices=int(ways.devices[way]),
        market=pool.market,
        region=pool.region,
        usd_per_hour=float(ways.board.price[way]) * 3600,
        checkpoint_seconds=float(ways.interval[way]),
    )


def judged(work: Footprint, ways: Ways, way: int, wish: Wish, now: float) -> Option:
    """The same, with whatever keeps it from being taken."""
    found = option(work, ways, way)
    notes = [hindrance] if (hindrance := obstacle(work, ways, way, wish)) else []
    if wish.due is not None and now + found.p90_seconds > wish.due:
        notes.append("misses the deadline")
    if wish.budget_usd is not None and found.p90_usd > wish.budget_usd:
        notes.append("over the budget")
    if not notes:
        return found
    if found.note:
        notes.append(found.note)
    return found.model_copy(update={"feasible": False, "note": "; ".join(notes)})


def obstacle(work: Footprint, ways: Ways, way: int, wish: Wish) -> str:
    """Why the way cannot take the job, or cannot by the job's own wishes; empty where it can."""
    pool, code = ways.board.pools[ways.pool[way]], ways.obstacle[way]
    if code == Obstacle.SPEED:
        return f"no speed of {work.extractor!r} is known there"
    if code == Obstacle.EMPTY and pool.count == 0:
        return "no accelerator there now"
    if code == Obstacle.EMPTY:
        most = min(pool.count, pool.machine)
        return f"{ways.devices[way]} devices are asked for, a machine there has {most}"
    if pool.market == "spot" and not wish.spot:
        return "spot capacity, which the job excludes"
    if wish.devices is not None and ways.devices[way] != wish.devices:
        return f"{wish.devices} devices are asked for"
    if code == Obstacle.MEMORY:
        return _memory(work, ways, way)
    return ""


def refuse_extractor(work: Footprint, ways: Ways) -> None:
    """Refuse work whose extractor no pool knows the speed of.

    Raises:
        Unavailable: with the extractors that are known.
    """
    if len(ways.obstacle) and (ways.obstacle == Obstacle.SPEED).all():
        ways.board.pools[0].accelerator.speed(work.extractor)
        raise Unavailable(f"quality.extractor: no speed of {work.extractor!r} is known.")


def _memory(work: Footprint, ways: Ways, way: int) -> str:
    has = ways.board.accelerators[way].memory_gb
    needs = work.gigabytes / int(ways.devices[way])
    if needs > has:
        return f"needs {needs:.1f} GB, has {has:.1f} GB"
    return f"needs more than its {has:.1f} GB"
