"""Crews that wait for work: who is taken, who is let go."""

from __future__ import annotations

from typing import Any

import pytest

from farm.dispatch.retry import WorkerLost
from farm.tiers.idle import IdleCrews


class FakeCrew:
    """Its processes are the real crew's business."""

    def __init__(self, pool: str = "a", size: int = 1, node: str = "n1") -> None:
        self.pool, self.size, self.node = pool, size, node
        self.ranks: list[Any] = []
        self.lost = self.ended = False

    def prepare(self, seconds: float) -> None:
        if self.lost:
            raise WorkerLost("a print process ended unexpectedly.")

    def end(self) -> bool:
        self.ended = True
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def idle(clock: Clock) -> IdleCrews:
    return IdleCrews(60.0, clock)


def waits(idle: IdleCrews, crew: FakeCrew) -> Any:
    idle.put(crew)  # type: ignore[arg-type]
    return crew


def test_the_newest_that_fits_is_taken_once(idle: IdleCrews) -> None:
    first, second = waits(idle, FakeCrew()), waits(idle, FakeCrew())
    waits(idle, FakeCrew(pool="b"))
    waits(idle, FakeCrew(size=2))
    waits(idle, FakeCrew(node="n2"))
    assert idle.take("a", 1, {"n2"}) is second
    assert idle.take("a", 1, {"n2"}) is first
    assert idle.take("a", 1, {"n2"}) is None
    assert len(idle) == 3


def test_one_that_died_meanwhile_is_passed_over(idle: IdleCrews) -> None:
    first, second = waits(idle, FakeCrew()), waits(idle, FakeCrew())
    second.lost = True
    assert idle.take("a", 1, ()) is first
    assert second.ended


def test_waiting_ends_with_time_and_with_the_machine(idle: IdleCrews, clock: Clock) -> None:
    old, leaving = waits(idle, FakeCrew()), waits(idle, FakeCrew(node="n2"))
    clock.now = 59.0
    young = waits(idle, FakeCrew())
    idle.tend({"n2"})
    assert (old.ended, leaving.ended, young.ended) == (False, True, False)
    clock.now = 60.0
    idle.tend(())
    assert (old.ended, young.ended) == (True, False)


def test_room_is_made_in_the_pool_that_needs_it(idle: IdleCrews) -> None:
    mine, other = waits(idle, FakeCrew()), waits(idle, FakeCrew(pool="b"))
    idle.make_room("a")
    assert (mine.ended, other.ended) == (True, False)


@pytest.mark.parametrize("how", ["closed", "never"])
def test_none_waits_where_none_is_to(how: str, clock: Clock) -> None:
    idle = IdleCrews(0.0 if how == "never" else 60.0, clock)
    before = waits(idle, FakeCrew())
    if how == "closed":
        idle.close()
    after = waits(idle, FakeCrew())
    assert before.ended
    assert after.ended
    assert len(idle) == 0
