"""Which pool a job runs on: the cheapest that meets the deadline, or the fastest within the budget.

Promises are kept at the 90th percentile: an option meets a deadline or a budget when nine of ten
runs do. Among equals the median decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from farm.errors import InvalidInput, Refused
from farm.route.accelerator import Pool
from farm.route.cost import estimate
from farm.route.footprint import Footprint
from farm.route.words import clock_time, duration, money
from farm.spec.routing import Decision, Option, Quote, Routing


def decide(work: Footprint, pools: Sequence[Pool], routing: Routing, now: float) -> Decision:
    """Choose a pool for ``work``.

    Args:
        work: the job's footprint.
        pools: what there is.
        routing: the job's wishes.
        now: seconds since the epoch.

    Raises:
        InvalidInput: the deadline has no UTC offset.
        Refused: no pool can take it, or the deadline or the budget cannot be met; the sentence says
            what could.
    """
    due = _due(routing)
    options = [_judge(work, pool, routing, due, now) for pool in pools]
    usable = [option for option, fits in options if fits]
    feasible = [option for option in usable if option.feasible]
    if not usable:
        _refuse_capacity(work, [option for option, _ in options])
    if not feasible:
        _refuse_wishes(usable, routing, due, now)
    fastest = routing.budget_usd is not None and due is None
    chosen = min(feasible, key=_by_time if fastest else _by_price)
    others = sorted((option for option, _ in options if option is not chosen), key=_by_price)
    reason = _reason(chosen, feasible, routing, due, now)
    return Decision(chosen=chosen, reason=reason, alternatives=tuple(others))


def quote(work: Footprint, pools: Sequence[Pool], routing: Routing, now: float) -> Quote:
    """The answer to ``what would this cost?``. Raises as ``decide`` does."""
    return Quote(
        width=work.width,
        height=work.height,
        iterations=work.iterations,
        megapixel_iterations=work.megapixel_iterations,
        decision=decide(work, pools, routing, now),
    )


def _due(routing: Routing) -> float | None:
    if routing.deadline is None:
        return None
    if routing.deadline.utcoffset() is None:
        text = routing.deadline.isoformat()
        raise InvalidInput(
            f"routing.deadline: {text} has no UTC offset; write e.g. {text}+00:00.",
            field="routing.deadline",
        )
    return routing.deadline.timestamp()


def _judge(
    work: Footprint, pool: Pool, routing: Routing, due: float | None, now: float
) -> tuple[Option, bool]:
    """The option of one pool, and whether that pool can take the work at all."""
    option = estimate(work, pool)
    obstacle = _obstacle(work, pool, routing)
    notes = [obstacle] if obstacle else []
    if due is not None and now + option.p90_seconds > due:
        notes.append("misses the deadline")
    if not _affords(option, routing):
        notes.append("over the budget")
    if not notes:
        return option, True
    if option.note:
        notes.append(option.note)
    return option.model_copy(update={"feasible": False, "note": "; ".join(notes)}), not obstacle


def _obstacle(work: Footprint, pool: Pool, routing: Routing) -> str:
    if pool.count == 0:
        return "no accelerator there now"
    if pool.market == "spot" and not routing.spot:
        return "spot capacity, which the job excludes"
    if work.gigabytes > pool.accelerator.memory_gb:
        return f"needs {work.gigabytes:.1f} GB, has {pool.accelerator.memory_gb:.1f} GB"
    return ""


def _affords(option: Option, routing: Routing) -> bool:
    return routing.budget_usd is None or option.p90_usd <= routing.budget_usd


def _by_price(option: Option) -> tuple[float, ...]:
    return option.p50_usd, option.p50_seconds, option.p90_usd, option.p90_seconds


def _by_time(option: Option) -> tuple[float, ...]:
    return option.p50_seconds, option.p50_usd, option.p90_seconds, option.p90_usd


def _reason(
    chosen: Option, feasible: Sequence[Option], routing: Routing, due: float | None, now: float
) -> str:
    rivals = [option for option in feasible if option is not chosen]
    promise = f"about {duration(chosen.p50_seconds)} and {money(chosen.p50_usd)}"
    if not rivals:
        why = f"only {chosen.pool} can take it"
    elif due is None and routing.budget_usd is not None:
        next_best = min(rivals, key=_by_time)
        why = f"fastest within the budget, before {next_best.pool} ({duration(next_best.p50_seconds)})"
    else:
        next_best = min(rivals, key=_by_price)
        why = f"cheapest, before {next_best.pool} ({money(next_best.p50_usd)})"
    kept = []
    if due is not None:
        kept.append(f"{duration(due - now - chosen.p90_seconds)} to spare before the deadline")
    if routing.budget_usd is not None:
        kept.append(f"within the budget of {money(routing.budget_usd)}")
    return f"{why}: {', '.join([promise, *kept])}."


def _refuse_capacity(work: Footprint, options: Sequence[Option]) -> NoReturn:
    size = f"{work.width}×{work.height}"
    if not options:
        raise Refused(f"routing: there is no pool to run {size} on; start one with 'farm up'.")
    notes = "; ".join(f"{option.pool}: {option.note}" for option in options)
    raise Refused(f"routing: no pool can take {size} ({notes}); make the output smaller or add a pool.")


def _refuse_wishes(
    usable: Sequence[Option], routing: Routing, due: float | None, now: float
) -> NoReturn:
    """Say which wish fails and the nearest that would not."""
    in_time = [option for option in usable if due is None or now + option.p90_seconds <= due]
    if not in_time:
        assert due is not None
        affordable = [option for option in usable if _affords(option, routing)]
        soonest = min(affordable or usable, key=lambda option: option.p90_seconds)
        raise Refused(
            f"routing.deadline: {clock_time(datetime.fromtimestamp(due, UTC))} is too early; the "
            f"soonest is {clock_time(_ready(soonest, now))} on {soonest.pool} for "
            f"{money(soonest.p90_usd)}, so move it there or make the output smaller.",
            field="routing.deadline",
        )
    cheapest = min(in_time, key=lambda option: option.p90_usd)
    assert routing.budget_usd is not None
    raise Refused(
        f"routing.budget_usd: {money(routing.budget_usd)} is too little; the cheapest way "
        f"{'in time ' if due is not None else ''}costs up to {money(cheapest.p90_usd)} on "
        f"{cheapest.pool}, so raise it or make the output smaller.",
        field="routing.budget_usd",
    )


def _ready(option: Option, now: float) -> datetime:
    return datetime.fromtimestamp(now + option.p90_seconds, UTC)
