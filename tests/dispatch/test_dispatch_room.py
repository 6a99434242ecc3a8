"""An attempt goes where there is room now, and a task that has begun makes do with less."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from farm.dispatch.room import routed
from farm.errors import Refused
from farm.spec import Decision, Option, parse_job
from farm.spec.record import Lease


def lease(attempt: int, devices: int | str = 2) -> Lease:
    spec = {
        "farm": 1, "kind": "print", "content": "a.png", "styles": [{"name": "waves"}],
        "output": {"long_edge": 64}, "engine": {"devices": devices},
    }  # fmt: skip
    return Lease(
        task="t", job="t", attempt=attempt, token=1, worker="w", expires_at=0.0, spec=parse_job(spec)
    )


def option(pool: str, devices: int, feasible: bool = True) -> Option:
    return Option(
        pool=pool, accelerator=pool, devices=devices, feasible=feasible,
        p50_seconds=1, p90_seconds=1, p50_usd=1, p90_usd=1,
    )  # fmt: skip


class Router:
    """Pools A with two devices and B with one; what was asked of it."""

    def __init__(self, pools: Mapping[str, int]) -> None:
        self.pools, self.asked = pools, list[int | str]()

    def __call__(self, asked: Lease) -> Decision:
        wanted = asked.spec.engine.devices
        self.asked.append(wanted)
        options = [
            option(name, most if wanted == "auto" else int(wanted), wanted == "auto" or most >= wanted)
            for name, most in self.pools.items()
        ]
        if not options or not any(one.feasible for one in options):
            raise Refused("routing: no pool can take it.")
        options.sort(key=lambda one: not one.feasible)
        return Decision(chosen=options[0], reason="", alternatives=tuple(options[1:]))


BOTH = {"A": 2, "B": 1}


def test_a_first_attempt_gets_what_it_asks_for() -> None:
    router = Router(BOTH)
    assert routed(lease(1), router, lambda pool: BOTH[pool]).chosen.pool == "A"
    assert router.asked == [2]
    with pytest.raises(Refused):
        routed(lease(1), Router({"B": 1}), lambda pool: 1)


def test_a_later_one_does_so_while_it_can() -> None:
    router = Router(BOTH)
    assert routed(lease(2), router, lambda pool: BOTH[pool]).chosen.pool == "A"
    assert router.asked == [2]


def test_a_later_one_goes_on_alone_where_no_machine_has_two() -> None:
    """The machine goes away, or is gone."""
    router = Router(BOTH)
    leaving = {"A": 0, "B": 1}
    found = routed(lease(2), router, lambda pool: leaving[pool])
    assert (found.chosen.pool, found.chosen.devices) == ("B", 1)
    assert router.asked == [2, "auto"]
    gone = Router({"B": 1})
    assert routed(lease(2), gone, lambda pool: 1).chosen.pool == "B"
    assert gone.asked == [2, "auto"]


def test_where_nothing_is_left_it_waits_where_it_was_sent() -> None:
    assert routed(lease(2), Router(BOTH), lambda pool: 0).chosen.pool == "A"


def test_a_gang_of_any_size_is_routed_once() -> None:
    router = Router(BOTH)
    assert routed(lease(2, "auto"), router, lambda pool: BOTH[pool]).chosen.pool == "A"
    assert router.asked == ["auto"]
