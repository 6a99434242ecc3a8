"""Which project's turn it is: a pure rule over plain values."""

from __future__ import annotations

from collections.abc import Iterable

from farm.queue.facts import Head


def by_turn(heads: Iterable[Head]) -> list[Head]:
    """Projects in the order in which they may claim: the least ``running / weight`` goes first.

    This is weighted max-min fairness over tasks under a lease (Demers, Keshav and Shenker 1989, with
    leases in place of packets sent): a project that has less than its share catches up before another
    gets more. Ties go by the priority of the project's first job, then by that job's age, then its id.
    """
    return sorted(
        heads,
        key=lambda head: (head.running / head.weight, head.rank, head.created_at, head.job),
    )
