"""What the queue remembers of a task's earlier attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from farm.dispatch.ports import Past, Queue
from farm.dispatch.retry import History
from farm.spec.event import Event, Routed
from farm.spec.record import Lease
from farm.spec.routing import Decision

_PAGE = 1000


def history_of(queue: Queue, lease: Lease, max_attempts: int) -> History:
    """The past of a leased task, without the attempt under way."""
    causes = [past.cause for past in _earlier(queue, lease) if past.cause]
    return History(lease.failures, lease.losses, tuple(causes), max_attempts)


def began(queue: Queue, lease: Lease) -> bool:
    """Whether the attempt of this lease ever started, so that a node is known for it."""
    attempts = queue.attempts(lease.job)
    return any(past.token == lease.token and past.node for past in attempts)


def tried_pools(queue: Queue, lease: Lease) -> frozenset[str]:
    """The pools that the task has been on."""
    events = (event for event in _log(queue, lease) if isinstance(event, Routed))
    return frozenset(event.decision.chosen.pool for event in events)


def rerouted(decision: Decision, suits: Callable[[str], bool], why: str) -> Decision:
    """The decision, with the best option whose pool suits; itself where none does."""
    if suits(decision.chosen.pool):
        return decision
    for option in decision.alternatives:
        if option.feasible and suits(option.pool):
            others = (decision.chosen, *(each for each in decision.alternatives if each != option))
            return Decision(
                chosen=option, reason=f"{why}, so {option.pool} is next.", alternatives=others
            )
    return decision


def _earlier(queue: Queue, lease: Lease) -> Iterator[Past]:
    for past in queue.attempts(lease.job):
        if past.task == lease.task and past.token != lease.token:
            yield past


def _log(queue: Queue, lease: Lease) -> Iterator[Event]:
    """The task's own events in its job's log."""
    after = 0
    while page := queue.events(lease.job, after, _PAGE):
        after = page[-1].seq
        yield from (event for event in page if getattr(event, "task", None) == lease.task)
