"""A queue planned at once: who gets the scarce places, who waits for them, and who goes elsewhere.

Jobs that have but one way left to keep their deadline come first, then those that would lose most, for
each second that they hold a place, if they had to take their second best pool. Each takes the way that
is cheapest with the waiting there is for it; whoever can wait for a cheaper place does. Only what
begins now is bound: at the next event everything else is planned anew.

Small queues are planned in several orders of jobs, of which the best is kept.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from farm.route.board import Board, Flags, Floats
from farm.route.places import Places
from farm.route.policy import Reason, Wish, admits, rule_of
from farm.route.ways import Ways

ORDERS = 48
"""Orders that a small queue is planned in, and the size of a queue that is not small, squared."""
AGAIN = 2
"""How often a job's turn is put off because its loss has shrunk since it was reckoned."""
HOUR = 3600.0
IMPATIENCE = 1e-6
"""USD that an hour is worth to whoever named no price: of equal ways, the sooner."""
_INF = float("inf")


@dataclass(frozen=True)
class Queued:
    """A job that waits: its ways on the board, its wishes, and its priority (higher goes first)."""

    ways: Ways
    wish: Wish
    priority: int = 0


@dataclass(frozen=True)
class Slot:
    """Where and when a job is to begin.

    Args:
        way: index of a way of the board.
        begins: epoch seconds; later than now while it waits for its place.
        kept: whether deadline and budget are kept by that. Where they cannot be, the soonest way is
            taken that the job allows.
    """

    way: int
    begins: float
    kept: bool = True


@dataclass(frozen=True)
class Offer:
    """The best way for a job as the places stand: its worth to compare by, and the next pool's."""

    way: int
    begins: float
    value: float
    second: float
    kept: bool = True


def plan_queue(
    jobs: Sequence[Queued], board: Board, now: float,
    busy: Sequence[Sequence[float]] | None = None, orders: int = ORDERS,
) -> list[Slot | None]:  # fmt: skip
    """A slot for each job; None where no pool can take it at all.

    Args:
        jobs: the queue, all weighed on ``board``.
        board: what there is.
        now: epoch seconds.
        busy: for each pool, when each of its accelerators that is taken is expected to be free again.
        orders: tried beside the first where the queue is small.
    """
    start = Places(board, now, busy)
    best = _by_loss(jobs, start.copy())
    if len(jobs) ** 2 <= orders:
        score = _score(jobs, best, now)
        for order in _others(jobs, orders):
            other = _in_order(jobs, order, start.copy())
            if (rival := _score(jobs, other, now)) < score:
                best, score = other, rival
    return best


def _by_loss(jobs: Sequence[Queued], places: Places) -> list[Slot | None]:
    """First whoever would lose most by coming later, as it stands when its turn comes."""
    slots: list[Slot | None] = [None] * len(jobs)
    heap = []
    for index, job in enumerate(jobs):
        if (found := offer(job, places)) is not None:
            heap.append((_urgency(job, found), index, 0, found))
    heapq.heapify(heap)
    while heap:
        urgency, index, turns, found = heapq.heappop(heap)
        # Others only took from what there was: as long as its own place is left, it is the best.
        if places.begins[found.way] != found.begins:
            job = jobs[index]
            again = offer(job, places) if found.kept else _late(job, places)
            assert again is not None
            found, urgency = again, _urgency(job, again)
            if heap and turns < AGAIN and urgency > heap[0][0]:
                heapq.heappush(heap, (urgency, index, turns + 1, found))
                continue
        slots[index] = _take(jobs[index], found, places)
    return slots


def _in_order(jobs: Sequence[Queued], order: Sequence[int], places: Places) -> list[Slot | None]:
    slots: list[Slot | None] = [None] * len(jobs)
    for index in order:
        found = offer(jobs[index], places)
        slots[index] = _take(jobs[index], found, places) if found else None
    return slots


def _take(job: Queued, found: Offer, places: Places) -> Slot:
    places.take(found.way, found.begins + float(job.ways.expected_seconds[found.way]))
    return Slot(found.way, found.begins, found.kept)


def _urgency(job: Queued, found: Offer) -> tuple[float, float, float]:
    """Sorts first what goes first."""
    ways, way = job.ways, found.way
    if not found.kept:
        return -job.priority, 3.0, 0.0
    if rule_of(job.wish) == Reason.FASTEST:
        return -job.priority, 1.0, -float(ways.expected_usd[way])
    if found.second == _INF:
        due = _INF if job.wish.due is None else job.wish.due
        return -job.priority, 0.0, due - found.begins - float(ways.p90_seconds[way])
    held = float(ways.places[way] * ways.expected_seconds[way])
    return -job.priority, 2.0, -(found.second - found.value) / max(held, 1e-9)


def offer(job: Queued, places: Places) -> Offer | None:
    """The best way for ``job`` as the places stand; None where no pool can take it."""
    found = _best(job.ways, places, job.wish)
    return found or _late(job, places)


def _late(job: Queued, places: Places) -> Offer | None:
    """The soonest way where the wishes cannot be kept any more; within the budget if possible."""
    wish = Wish(None, job.wish.budget_usd or _INF, job.wish.spot, job.wish.devices)
    found = _best(job.ways, places, wish) or _best(job.ways, places, replace(wish, budget_usd=_INF))
    return found and replace(found, kept=False)


def _best(ways: Ways, places: Places, wish: Wish) -> Offer | None:
    """The way of least worth among those that keep ``wish``, and how much the next pool's is worse."""
    begins = places.begins
    kept = _allowed(ways, wish)
    if wish.due is not None:
        kept = kept & (begins + ways.p90_seconds <= wish.due)
    worth = np.where(kept, _worth(ways, begins - places.now, wish), _INF)
    way = int(worth.argmin())
    value = float(worth[way])
    if value == _INF:
        return None
    second = float(worth[ways.pool != ways.pool[way]].min(initial=_INF))
    return Offer(way, float(begins[way]), value, second)


def _allowed(ways: Ways, wish: Wish) -> Flags:
    if wish.spot and wish.devices is None and wish.budget_usd is None:
        return ways.able
    kept = admits(ways, wish)
    return kept if wish.budget_usd is None else kept & (ways.p90_usd <= wish.budget_usd)


def _worth(ways: Ways, delay: Floats, wish: Wish) -> Floats:
    """What to compare ways by: USD, or seconds where the wish is for speed."""
    if rule_of(wish) == Reason.FASTEST:
        return delay + ways.p50_seconds
    hourly = max(wish.hour_usd, IMPATIENCE) / HOUR
    return ways.expected_usd + hourly * (delay + ways.expected_seconds)


def _score(jobs: Sequence[Queued], slots: Sequence[Slot | None], now: float) -> tuple[int, float]:
    """Wishes broken, then money and the worth of waiting; less is better."""
    broken, total = 0, 0.0
    for job, slot in zip(jobs, slots, strict=True):
        if slot is None:
            continue
        broken += not slot.kept
        ready = slot.begins - now + float(job.ways.expected_seconds[slot.way])
        total += float(job.ways.expected_usd[slot.way]) + job.wish.hour_usd / HOUR * ready
    return broken, total


def _others(jobs: Sequence[Queued], orders: int) -> Iterator[list[int]]:
    """By deadline, then orders drawn from a fixed seed; priorities are kept."""
    index = list(range(len(jobs)))
    yield sorted(index, key=lambda i: (-jobs[i].priority, jobs[i].wish.due or _INF))
    draw = random.Random(len(jobs))  # noqa: S311  (no secret: the plan is to be the same again)
    for _ in range(orders - 1):
        draw.shuffle(index)
        yield sorted(index, key=lambda i: -jobs[i].priority)
