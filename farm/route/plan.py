"""A queue planned at once: who gets the scarce places, who waits for them, and who goes elsewhere.

Jobs that have but one way left to keep their deadline come first, then those that would lose most, for
each second that they hold a place, if they had to take their second best pool. Each takes the way that
is cheapest with the waiting there is for it; whoever can wait for a cheaper place does. Only what
begins now is bound: at the next event everything else is planned anew.

A small queue's plan is then improved by an exact search, see ``improve``.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from farm.route.board import Board
from farm.route.improve import improve
from farm.route.offers import Offer, Queued, late, offer, take
from farm.route.places import Places, Slot
from farm.route.policy import Reason, Wish, rule_of

SMALL = 12
"""Jobs of a queue whose plan is improved."""
STEPS = 2000
"""Of the search for that: milliseconds."""
AGAIN = 2
"""How often a job's turn is put off because its loss has shrunk since it was reckoned."""
TURNS = 3.0
"""Of its own length, how far a job looks ahead."""
_INF = float("inf")

__all__ = ["Queued", "Slot", "plan_queue"]


def plan_queue(
    jobs: Sequence[Queued], board: Board, now: float,
    busy: Sequence[Sequence[float]] | None = None, steps: int = STEPS,
) -> list[Slot | None]:  # fmt: skip
    """A slot for each job; None where no pool can take it at all.

    Args:
        jobs: the queue, all weighed on ``board``.
        board: what there is.
        now: epoch seconds.
        busy: for each pool, when each of its accelerators that is taken is expected to be free again.
        steps: of the search for a better plan where the queue is small; 0: none.
    """
    slots = _by_loss(jobs, Places(board, now, busy))
    if steps and 1 < len(jobs) <= SMALL:
        return improve(jobs, slots, board, now, busy, steps)
    return slots


def _by_loss(jobs: Sequence[Queued], places: Places) -> list[Slot | None]:
    """First whoever would lose most by coming later, as it stands when its turn comes."""
    slots: list[Slot | None] = [None] * len(jobs)
    alike: dict[tuple[int, Wish], Offer | None] = {}
    heap = []
    for index, job in enumerate(jobs):
        key = id(job.ways), job.wish
        found = alike[key] if key in alike else alike.setdefault(key, offer(job, places))
        if found is not None:
            heap.append((_urgency(job, found, places.now), index, 0, found))
    heapq.heapify(heap)
    while heap:
        urgency, index, turns, found = heapq.heappop(heap)
        # Others only took from what there was: as long as its own place is left, it is the best.
        if places.delay[found.way] != found.delay:
            job = jobs[index]
            again = offer(job, places) if found.kept else late(job, places)
            assert again is not None
            found, urgency = again, _urgency(job, again, places.now)
            if heap and turns < AGAIN and urgency > heap[0][0]:
                heapq.heappush(heap, (urgency, index, turns + 1, found))
                continue
        slots[index] = take(jobs[index], found, places)
    return slots


def _urgency(job: Queued, found: Offer, now: float) -> tuple[float, float, float]:
    """Sorts first what goes first.

    By the loss for each second of a place that is held; less so the longer the job can wait for the
    same place (the apparent tardiness rule of Vepsalainen and Morton, Management Science 33(8) 1987).
    """
    way = found.way
    if not found.kept:
        return -job.priority, 3.0, 0.0
    if rule_of(job.wish) == Reason.FASTEST:
        return -job.priority, 1.0, -job.ways.expected_usd[way]
    p90, expected, places = job.ways.plain
    due = _INF if job.wish.due is None else job.wish.due
    slack = due - now - found.delay - p90[way]
    if found.loss == _INF:
        return -job.priority, 0.0, slack
    seconds = max(expected[way], 1e-9)
    loss = found.loss / (places[way] * seconds)
    return -job.priority, 2.0, -loss * math.exp(-slack / (TURNS * seconds))
