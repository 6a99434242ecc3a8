"""A small queue's plan made as cheap as it can be: by branch and bound, within so many steps."""

from __future__ import annotations

from collections.abc import Sequence

from farm.route.board import Board
from farm.route.offers import Queued
from farm.route.optimum import Arrival, Span, optimum
from farm.route.places import Slot
from farm.route.policy import Reason, rule_of

Slots = list[Slot | None]
_BEFORE = float("-inf")


def improve(
    jobs: Sequence[Queued], slots: Slots, board: Board, now: float,
    busy: Sequence[Sequence[float]] | None, steps: int,
) -> Slots:  # fmt: skip
    """``slots`` with the jobs that go by price alone moved to where all of them together cost least.

    The others stay where they are. Nothing is moved where a wish is broken, or where priorities say
    who goes before whom.

    Args:
        jobs: the queue, with the ``slots`` of a plan.
        board, now, busy: as in ``plan_queue``.
        steps: ways that are tried at most.
    """
    free = [index for index, job in enumerate(jobs) if _by_price(job)]
    kept = all(slot is not None and slot.kept for slot in slots)
    if len(free) < 2 or not kept or len({job.priority for job in jobs}) > 1:
        return slots
    others = [i for i in range(len(jobs)) if i not in free]
    taken = _taken(board, busy, [(jobs[i], slot) for i in others if (slot := slots[i])])
    usd = sum(float(jobs[i].ways.expected_usd[slot.way]) for i in free if (slot := slots[i]))
    arrivals = [Arrival(jobs[i].ways, jobs[i].wish, now) for i in free]
    found = optimum(arrivals, board, taken, below=usd * (1 - 1e-9), steps=steps)
    if found is None:
        return slots
    better = slots.copy()
    for index, (way, begins) in zip(free, found.slots, strict=True):
        better[index] = Slot(way, begins)
    return better


def _by_price(job: Queued) -> bool:
    return rule_of(job.wish) == Reason.CHEAPEST


def _taken(
    board: Board, busy: Sequence[Sequence[float]] | None, others: Sequence[tuple[Queued, Slot]]
) -> list[list[Span]]:
    """What each pool has given away, to what runs and to the other jobs of the plan."""
    spans: list[list[Span]] = [
        [(_BEFORE, end, 1) for end in (busy[index] if busy is not None else ())]
        for index in range(len(board.pools))
    ]
    for job, slot in others:
        end = slot.begins + float(job.ways.expected_seconds[slot.way])
        spans[board.pool[slot.way]].append((slot.begins, end, int(board.places[slot.way])))
    return spans
