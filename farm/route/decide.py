"""The way a job takes, explained: why, over which others, or what could be had where nothing will do.

The rule itself is ``policy.choose``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from farm.errors import InvalidInput
from farm.route.accelerator import Pool
from farm.route.board import Board, Floats, Ints
from farm.route.footprint import Footprint
from farm.route.front import front
from farm.route.options import judged, option, refuse_extractor
from farm.route.policy import Choice, Reason, Wish, admits, choose, keeps, rule_of
from farm.route.refuse import refuse
from farm.route.ways import Ways, weigh
from farm.spec.routing import Decision, Option, Quote, Routing
from farm.spec.words import duration, money

ALTERNATIVES = 3


def decide(
    work: Footprint, pools: Sequence[Pool] | Board, routing: Routing, now: float,
    devices: int | None = None,
) -> Decision:  # fmt: skip
    """Choose a way for ``work``.

    Args:
        work: the job's footprint.
        pools: what there is; as a board where many jobs are decided on the same pools.
        routing: the job's wishes.
        now: seconds since the epoch.
        devices: ranks that must share it; None leaves the size of the gang to the router.

    Raises:
        InvalidInput: the deadline has no UTC offset.
        Unavailable: no pool knows the extractor's speed.
        Refused: no pool can take it, or the deadline or the budget cannot be met; the sentence says
            what could.
    """
    wish = wish_of(routing, devices)
    board = pools if isinstance(pools, Board) else Board.of(pools, devices)
    ways = weigh(work, board)
    refuse_extractor(work, ways)
    choice = choose(ways, wish, now)
    if choice is None:
        refuse(work, ways, wish, now)
    return explain(work, ways, wish, now, choice)


def quote(
    work: Footprint, pools: Sequence[Pool] | Board, routing: Routing, now: float,
    devices: int | None = None,
) -> Quote:  # fmt: skip
    """The answer to ``what would this cost?``. Takes and raises what ``decide`` does."""
    return Quote(
        width=work.width,
        height=work.height,
        iterations=work.iterations,
        megapixel_iterations=work.megapixel_iterations,
        decision=decide(work, pools, routing, now, devices),
    )


def wish_of(routing: Routing, devices: int | None = None) -> Wish:
    """A job's wishes as the policy takes them.

    Raises:
        InvalidInput: the deadline has no UTC offset.
    """
    due = None
    if routing.deadline is not None:
        if routing.deadline.utcoffset() is None:
            text = routing.deadline.isoformat()
            raise InvalidInput(
                f"routing.deadline: {text} has no UTC offset; write e.g. {text}+00:00.",
                field="routing.deadline",
            )
        due = routing.deadline.timestamp()
    return Wish(due, routing.budget_usd, routing.spot, devices)


def explain(work: Footprint, ways: Ways, wish: Wish, now: float, choice: Choice) -> Decision:
    """The choice with its reason, the best way on each of three other pools, and the front."""
    chosen = option(work, ways, choice.way)
    kept = keeps(ways, wish, now)
    rivals = _rivals(ways, wish, now, choice)
    others = [judged(work, ways, int(way), wish, now) for way in rivals[:ALTERNATIVES]]
    return Decision(
        chosen=chosen,
        reason=_reason(chosen, [one for one in others if one.feasible], wish, now, choice.reason),
        alternatives=tuple(others),
        front=tuple(option(work, ways, int(way)) for way in front(ways, kept)),
    )


def _rivals(ways: Ways, wish: Wish, now: float, choice: Choice) -> Ints:
    """The best way of each other pool, best first; those that keep the wishes before the others."""
    kept = keeps(ways, wish, now)
    rank = np.where(kept, 0, np.where(admits(ways, wish), 1, np.where(ways.able, 2, 3)))
    order = np.lexsort((*reversed(_keys(ways, wish)), rank))
    _, first = np.unique(ways.pool[order], return_index=True)
    best = order[np.sort(first)]
    return np.asarray(best[ways.pool[best] != ways.pool[choice.way]])


def _keys(ways: Ways, wish: Wish) -> tuple[Floats, ...]:
    if rule_of(wish) == Reason.FASTEST:
        return ways.p50_seconds, ways.p50_usd, ways.p90_seconds, ways.p90_usd
    return ways.expected_usd, ways.p50_usd, ways.p50_seconds, ways.p90_usd


def _reason(chosen: Option, rivals: Sequence[Option], wish: Wish, now: float, rule: Reason) -> str:
    promise = f"about {duration(chosen.p50_seconds)} and {money(chosen.p50_usd)}"
    if not rivals:
        why = f"only {chosen.pool} can take it"
    elif rule == Reason.FASTEST:
        next_best = rivals[0]
        why = f"fastest within the budget, before {next_best.pool} ({duration(next_best.p50_seconds)})"
    else:
        next_best = rivals[0]
        why = f"cheapest, before {next_best.pool} ({money(next_best.p50_usd)})"
    kept = []
    if chosen.devices > 1:
        kept.append(f"on {chosen.devices} devices")
    if wish.due is not None:
        spare = duration(wish.due - now - chosen.p90_seconds)
        kept.append(f"{spare} to spare before the deadline")
    if wish.budget_usd is not None:
        kept.append(f"within the budget of {money(wish.budget_usd)}")
    return f"{why}: {', '.join([promise, *kept])}."
