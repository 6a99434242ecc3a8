"""The ladder of previews: full, smaller, by the light net, a neighbour that was kept, or none.

A farm that is asked for more than it can do answers all it can in time, each as well as that allows,
and turns away only what it could not answer in any way. Work is counted in pixels of the full net;
everything else about a preview (decoding, encoding, the way over HTTP) counts as ``Rules.fixed`` of
them, so that many tiny previews are not taken for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Rung = Literal["full", "smaller", "light", "neighbour", "refused"]


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Args:
        edge: long edge in pixels.
        aspect: short edge by long edge.
        deadline: seconds until the answer must be there; None: the farm's own patience, and on an idle
            farm whatever it takes.
        budget_usd: the most that the work may cost; None: no matter.
        neighbour: whether the same picture in the same style is kept in another size or strength.
    """

    edge: int
    aspect: float = 1.0
    deadline: float | None = None
    budget_usd: float | None = None
    neighbour: bool = False


@dataclass(frozen=True)
class Standing:
    """How the farm stands.

    Args:
        backlog: work that was granted and is not answered yet, in pixels.
        seconds_per_pixel: of the whole farm while it is busy, as measured.
        light: what the light net costs of the full one, a share; None: there is none.
        usd_per_second: of the processors that make previews.
    """

    backlog: float
    seconds_per_pixel: float
    light: float | None = None
    usd_per_second: float = 0.0


@dataclass(frozen=True)
class Rules:
    """How far to bend.

    Args:
        patience: seconds within which an order that names no deadline is to be answered.
        shrink: the least share of the edge asked for that still shows what was asked for.
        fixed: what a preview of no pixels costs, in pixels. Round trips of 39 ms at 256² and 106 ms at
            512² (docs/benchmarks.md) are 17 ms and 0.34 µs a pixel: 220² of them.
        smallest: the smallest edge there is.
        step: edges are multiples of this where they are made smaller.
    """

    patience: float = 0.7
    shrink: float = 0.5
    fixed: float = 220.0 * 220.0
    smallest: int = 64
    step: int = 16


@dataclass(frozen=True)
class Grant:
    """What an order gets.

    Args:
        edge: long edge in pixels.
        work: to add to the backlog until it is answered, in pixels.
        seconds: expected until the answer.
        reason: one clause for people; empty for what was asked for.
        retry_after: seconds after which there would be room; None: waiting does not help.
    """

    rung: Rung
    edge: int
    work: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    retry_after: float | None = None


RULES = Rules()


def grant(wish: Wish, farm: Standing, rules: Rules = RULES) -> Grant:
    """The highest rung on which an order can be answered in time and for its money."""
    pace = farm.seconds_per_pixel
    payable = _payable(wish, farm)
    deadline = rules.patience if wish.deadline is None else wish.deadline
    room = min(deadline / pace - farm.backlog, payable)
    whole = _work(wish.edge, wish, rules)
    # An idle farm makes what nobody else waits for, however large, unless it was told a deadline.
    alone = wish.deadline is None and farm.backlog <= 0 and whole <= payable
    if whole <= room or alone:
        return Grant("full", wish.edge, whole, (farm.backlog + whole) * pace)
    reason = _reason(wish, farm, payable < deadline / pace - farm.backlog)
    for rung, share in (("smaller", 1.0), ("light", farm.light)):
        edge = _fitting(wish, room / share, rules) if share else None
        if edge is None or share is None:
            continue
        work = _work(edge, wish, rules) * share
        return Grant(_rung(rung), edge, work, (farm.backlog + work) * pace, reason)
    if wish.neighbour:
        return Grant("neighbour", wish.edge, reason=reason)
    return Grant("refused", wish.edge, reason=reason, retry_after=_retry(wish, farm, rules, deadline))


def _rung(name: str) -> Rung:
    return "smaller" if name == "smaller" else "light"


def _payable(wish: Wish, farm: Standing) -> float:
    """Pixels that the budget pays for."""
    if wish.budget_usd is None or farm.usd_per_second <= 0:
        return math.inf
    return wish.budget_usd / (farm.usd_per_second * farm.seconds_per_pixel)


def _work(edge: int, wish: Wish, rules: Rules) -> float:
    return rules.fixed + edge * edge * wish.aspect


def _least(wish: Wish, rules: Rules) -> int:
    return min(wish.edge, max(rules.smallest, math.ceil(wish.edge * rules.shrink)))


def _fitting(wish: Wish, room: float, rules: Rules) -> int | None:
    """The largest edge whose work fits into ``room`` pixels; None if even the least does not."""
    if _work(_least(wish, rules), wish, rules) > room:
        return None
    largest = math.isqrt(int((room - rules.fixed) / wish.aspect)) if math.isfinite(room) else wish.edge
    return max(_least(wish, rules), min(wish.edge, largest // rules.step * rules.step))


def _retry(wish: Wish, farm: Standing, rules: Rules, deadline: float) -> float | None:
    """Seconds until the least that could be made fits; None if it never does."""
    least = _work(_least(wish, rules), wish, rules) * min(1.0, farm.light or 1.0)
    pace = farm.seconds_per_pixel
    if least > _payable(wish, farm):
        return None
    if wish.deadline is None:  # on an idle farm it is made however long that takes
        return min(farm.backlog, farm.backlog + least - deadline / pace) * pace
    return None if least * pace > deadline else (farm.backlog + least) * pace - deadline


def _reason(wish: Wish, farm: Standing, money: bool) -> str:
    if money:
        return f"budget_usd {wish.budget_usd:g} pays for no more"
    waiting = farm.backlog * farm.seconds_per_pixel
    if wish.deadline is not None:
        return f"{waiting:.2f} s of work wait and the deadline is {wish.deadline:g} s"
    return f"{waiting:.2f} s of work wait"
