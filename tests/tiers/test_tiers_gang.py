"""Gangs without Ray running: whom a failure is blamed on, and what fits on a machine."""

from __future__ import annotations

import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ObjectLostError,
    RayActorError,
    RayError,
    RayTaskError,
)  # fmt: skip

from farm.dispatch.retry import Cause, WorkerLost, cause_of
from farm.errors import InvalidInput, LostRank, TooLarge, Unavailable
from farm.tiers.blame import blamed, is_at_fault, told
from farm.tiers.placement import bundle, check, most_together

PEER = LostRank("devices: rank 0 of 2 has lost another one.")
DEAD = WorkerLost("a print process ended unexpectedly.")
MEMORY = RuntimeError("OutOfMemoryError: out of memory")


def raised(error: Exception) -> RayTaskError:
    return RayTaskError("follow", "Traceback …", error)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("errors", "culprit"),
    [
        ([PEER, MEMORY], MEMORY),
        ([DEAD, MEMORY], MEMORY),
        ([PEER, DEAD], DEAD),
        ([PEER, DEAD, MEMORY], MEMORY),
        ([PEER, Unavailable("store: full.")], Unavailable),
        ([PEER, PEER], PEER),
    ],
)
def test_the_rank_at_fault_is_blamed_whoever_spoke_first(
    errors: list[Exception], culprit: Exception | type[Exception]
) -> None:
    for order in (errors, errors[::-1]):
        found = blamed(order)
        assert found is culprit or type(found) is culprit


@pytest.mark.parametrize(
    ("error", "waits"),
    [(PEER, True), (DEAD, True), (MEMORY, False), (Unavailable("store: full."), False)],
)
def test_only_who_was_left_waits_for_another_to_tell_why(error: Exception, waits: bool) -> None:
    assert is_at_fault(error) != waits


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (raised(TooLarge("output: no.")), "invalid"),
        (raised(Unavailable("store: full.")), "unavailable"),
        (raised(MemoryError("out of memory")), "out_of_memory"),
        (raised(ValueError("a bug")), "unknown"),
        (RayActorError(), "lost"),
        (ActorDiedError(), "lost"),
        (ActorUnavailableError("gone", None), "lost"),
        (ObjectLostError("a" * 56, None, ""), "lost"),
    ],
)  # fmt: skip
def test_what_ray_reports_is_told_as_what_happened(error: RayError, cause: Cause) -> None:
    assert cause_of(told(error)) == cause


def test_a_ranks_own_words_arrive() -> None:
    full = Unavailable("store: full.")
    assert told(raised(full)) is full
    assert str(told(raised(ValueError("a bug")))) == "ValueError: a bug"


def test_the_largest_machine_counts_not_all_together() -> None:
    machines = [{"CPU": 4.0}, {"CPU": 6.5, "memory": 1.0}, {"CPU": 0.0}]
    assert most_together(machines, bundle(gpu=False)) == 6
    assert most_together(machines, bundle(gpu=True)) == 0
    assert most_together([{"CPU": 48.0, "GPU": 4.0}, {"CPU": 2.0, "GPU": 8.0}], bundle(gpu=True)) == 4
    assert most_together([], bundle(gpu=False)) == 0


@pytest.mark.parametrize(
    ("devices", "most", "gpu", "what"),
    [(3, 2, False, "2 processor cores"), (5, 1, True, "1 GPU"), (64, 4, True, "4 GPUs")],
)
def test_more_devices_than_any_machine_has_is_refused(
    devices: int, most: int, gpu: bool, what: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(devices, most, gpu=gpu)
    assert caught.value.message == (
        f"engine.devices: {devices} are asked for, and no machine of this farm has more than {what}; "
        f"ask for at most {most}."
    )
    assert caught.value.field == "engine.devices"


@pytest.mark.parametrize(("devices", "most"), [(1, 1), (4, 4), (2, 8), (4, 0)])
def test_what_fits_or_may_fit_later_is_let_through(devices: int, most: int) -> None:
    check(devices, most, gpu=False)
