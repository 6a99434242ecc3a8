"""When people wait too long, the capacity that saves them most waiting for its price.

Waiting is judged by what 95 of 100 stay under: a few seconds for who sits in front of a preview, the
deadline for a print. Where it passes its limit, places are asked for one gang at a time, each where an
hour of waiting that it saves costs least, until the wait that is expected keeps the limit, or the cap
allows no more.

The wait that is expected is that of jobs that come at random to places that are all alike (Erlang's C);
what has piled up already is worked off by what is left over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from farm.route.board import Board, Floats, Ints
from farm.route.ways import Ways

HOUR = 3600.0
ENOUGH = 20
"""Waits that must have been seen before they say anything."""
TAIL = 0.05
MOST = 64
"""Gangs that are asked for at once."""


@dataclass(frozen=True)
class Crowd:
    """Those who wait for one sort of job.

    Args:
        waits: seconds that people waited of late.
        limit: seconds that 95 of 100 of them are to stay under.
        waiting: jobs in the queue now.
        per_hour: jobs that come in an hour.
    """

    waits: Sequence[float]
    limit: float
    waiting: int
    per_hour: float


@dataclass(frozen=True)
class Ask:
    """Capacity worth asking for: so many gangs of a way.

    ``usd_hour`` is what they cost in an hour together, ``saved_hours`` the waiting that they spare in
    the first one.
    """

    way: int
    gangs: int
    usd_hour: float
    saved_hours: float

    @property
    def usd_per_saved_hour(self) -> float:
        """What an hour of waiting less costs."""
        return self.usd_hour / self.saved_hours if self.saved_hours > 0 else float("inf")


@dataclass(frozen=True)
class Service:
    """Places at work for a crowd: how many, and jobs an hour that all of them do together."""

    places: int
    per_hour: float


def p95(waits: Sequence[float]) -> float:
    """What 95 of 100 waits stay under, in seconds; 0 where nobody waited."""
    return float(np.quantile(waits, 1 - TAIL)) if len(waits) else 0.0


def too_long(crowd: Crowd) -> bool:
    """Whether people wait longer than they should, as far as enough of them say so."""
    return len(crowd.waits) >= ENOUGH and p95(crowd.waits) > crowd.limit


def waiting_hours(crowd: Crowd, service: Service) -> float:
    """Hours that people are expected to wait, all together, in the hour to come."""
    spare = service.per_hour - crowd.per_hour
    if spare <= 0:  # the queue only grows
        return crowd.waiting - spare / 2
    drained = min(1.0, crowd.waiting / spare)
    piled = crowd.waiting * drained - spare * drained**2 / 2
    return piled + crowd.per_hour * _must_wait(crowd, service) / spare


def expected_p95(crowd: Crowd, service: Service) -> float:
    """Seconds that 95 of 100 are expected to stay under, once what has piled up is worked off."""
    spare = service.per_hour - crowd.per_hour
    if spare <= 0:
        return float("inf")
    return HOUR * max(0.0, math.log(max(_must_wait(crowd, service), 1e-300) / TAIL)) / spare


def ask(
    crowd: Crowd, ways: Ways, service: Service, left: Ints, room_usd_hour: float | None = None
) -> tuple[Ask, ...]:
    """What to ask for, pool by pool; nothing where nobody waits too long or nothing may be spent.

    Args:
        crowd: who waits.
        ways: of what they wait for.
        service: what works for them now.
        left: accelerators that each pool could still give, (pools,).
        room_usd_hour: what the caps leave for an hour; None: they do not limit it.
    """
    if not too_long(crowd):
        return ()
    board, left = ways.board, left.copy()
    room = float("inf") if room_usd_hour is None else room_usd_hour
    asked: dict[int, Ask] = {}
    for _ in range(MOST):
        if crowd.waiting <= service.places and expected_p95(crowd, service) <= crowd.limit:
            break
        best = _cheapest(crowd, ways, service, left, room)
        if best is None:
            break
        way = best.way
        left[board.pool[way]] -= board.places[way]
        room -= best.usd_hour
        service = with_gang(service, ways, way)
        asked[way] = _added(asked.get(way), best)
    return tuple(asked.values())


def with_gang(service: Service, ways: Ways, way: int) -> Service:
    """The same places and one gang more."""
    return Service(service.places + 1, service.per_hour + HOUR / float(_each(ways)[way]))


def _cheapest(crowd: Crowd, ways: Ways, service: Service, left: Ints, room: float) -> Ask | None:
    """The one gang that saves waiting for least; None where none is to be had, or none saves any."""
    board: Board = ways.board
    usd_hour = board.price * HOUR
    fits = ways.able & (board.places <= left[board.pool]) & (usd_hour <= room)
    there = np.maximum(0.0, 1 - (ways.start_seconds - board.startup) / HOUR)  # once it is up
    before, best = waiting_hours(crowd, service), None
    for way in np.flatnonzero(fits).tolist():
        after = waiting_hours(crowd, with_gang(service, ways, way))
        found = Ask(way, 1, float(usd_hour[way]), (before - after) * float(there[way]))
        if found.saved_hours > 1e-9 and (
            best is None or found.usd_per_saved_hour < best.usd_per_saved_hour
        ):
            best = found
    return best


def _must_wait(crowd: Crowd, service: Service) -> float:
    """Probability that a job finds all places taken: Erlang's C, by his recursion for B."""
    if service.places == 0:
        return 1.0
    load = crowd.per_hour / service.per_hour * service.places
    blocked = 1.0
    for count in range(1, service.places + 1):
        blocked = load * blocked / (count + load * blocked)
    share = load / service.places
    return blocked / (1 - share * (1 - blocked))


def _each(ways: Ways) -> Floats:
    """Seconds that a place which is up is held by one job."""
    return ways.expected_seconds - ways.start_seconds + ways.board.startup


def _added(known: Ask | None, more: Ask) -> Ask:
    if known is None:
        return more
    return replace(
        known, gangs=known.gangs + 1, usd_hour=known.usd_hour + more.usd_hour,
        saved_hours=known.saved_hours + more.saved_hours,
    )  # fmt: skip
