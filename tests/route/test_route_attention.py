"""Waiting people as a signal: when to ask for capacity, where, and how much."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from route_cases import pool, work

from farm.route.attention import (
    Crowd,
    Service,
    ask,
    expected_p95,
    p95,
    too_long,
    waiting_hours,
    with_gang,
)
from farm.route.board import Board
from farm.route.ways import Ways, weigh

CROWD = Crowd(waits=[60.0] * 100, limit=30.0, waiting=0, per_hour=100.0)
PLENTY = np.array([9, 9])


def ways() -> Ways:
    """A job of 36 s: 100 an hour on the first pool for $1, 200 on the second for $3."""
    return weigh(work(36), Board.of([pool("one", 1.0, 1.0, count=9), pool("two", 2.0, 3.0, count=9)]))


def test_the_signal_needs_enough_waits_that_are_too_long() -> None:
    assert too_long(CROWD)
    assert not too_long(replace(CROWD, waits=[60.0] * 19))
    assert not too_long(replace(CROWD, waits=[10.0] * 96 + [500.0] * 4))
    assert p95([]) == 0.0
    assert ask(replace(CROWD, limit=61.0), ways(), Service(1, 120.0), PLENTY) == ()


def test_one_place_waits_as_the_textbook_says() -> None:
    # M/M/1 at half its load: an hour's 100 jobs wait 36 s / 2 · 1/(1 - 0.5) each, so half an hour.
    assert waiting_hours(CROWD, Service(1, 200.0)) == pytest.approx(0.5)
    # P(wait > t) = 0.5 · exp(-100 t), t in hours.
    assert expected_p95(CROWD, Service(1, 200.0)) == pytest.approx(3600 * np.log(10) / 100)


def test_several_places_wait_as_a_simulation_of_them() -> None:
    service, draw = Service(3, 240.0), random.Random(5)
    free, now, waits = [0.0] * 3, 0.0, []
    for _ in range(60_000):
        now += draw.expovariate(200.0)
        first = min(range(3), key=free.__getitem__)
        begins = max(now, free[first])
        waits.append(begins - now)
        free[first] = begins + draw.expovariate(80.0)
    crowd = replace(CROWD, per_hour=200.0)
    assert waiting_hours(crowd, service) == pytest.approx(200 * np.mean(waits), rel=0.1)
    assert expected_p95(crowd, service) == pytest.approx(3600 * np.quantile(waits, 0.95), rel=0.1)


def test_a_queue_that_only_grows_and_one_that_is_worked_off() -> None:
    assert waiting_hours(replace(CROWD, waiting=10), Service(1, 50.0)) == pytest.approx(10 + 25)
    assert expected_p95(CROWD, Service(1, 100.0)) == float("inf")
    piled = waiting_hours(replace(CROWD, waiting=50), Service(1, 200.0)) - 0.5
    assert piled == pytest.approx(50 * 0.5 / 2), "fifty at first, none after half an hour"


def test_the_gang_that_saves_an_hour_for_least_is_asked_for_until_it_is_enough() -> None:
    found = ask(CROWD, ways(), Service(1, 90.0), PLENTY)
    assert [(one.way, one.gangs) for one in found] == [(0, 2)]
    assert found[0].usd_hour == pytest.approx(2.0)
    assert found[0].usd_per_saved_hour == pytest.approx(2.0 / found[0].saved_hours)
    after = Service(1, 90.0)
    for _ in range(2):
        after = with_gang(after, ways(), 0)
    assert expected_p95(CROWD, after) <= CROWD.limit
    # A crowd with a short limit and no cheap places left takes the dear ones.
    dear = ask(replace(CROWD, limit=5.0), ways(), Service(1, 90.0), np.array([0, 9]))
    assert {one.way for one in dear} == {1}


def test_caps_and_stock_are_kept() -> None:
    service = Service(1, 90.0)
    assert ask(CROWD, ways(), service, np.array([0, 0])) == ()
    assert ask(CROWD, ways(), service, PLENTY, room_usd_hour=0.5) == ()
    capped = ask(CROWD, ways(), service, PLENTY, room_usd_hour=1.5)
    assert sum(one.usd_hour for one in capped) <= 1.5
    assert [(one.way, one.gangs) for one in capped] == [(0, 1)]


def test_a_machine_that_boots_for_an_hour_saves_nothing_in_it() -> None:
    late = weigh(work(36), Board.of([pool("late", 1.0, 1.0, up=0, boot_seconds=3600)]))
    assert ask(CROWD, late, Service(1, 90.0), np.array([9])) == ()


def test_nobody_at_work_is_the_same_as_everybody_waiting() -> None:
    found = ask(replace(CROWD, waiting=40), ways(), Service(0, 0.0), PLENTY)
    assert sum(one.gangs for one in found) >= 2
