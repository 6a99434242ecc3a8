"""Gangs without Ray running: whom a failure is blamed on, and what fits on a machine."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)  # fmt: skip

from farm.dispatch.retry import Cause, MemoryKilled, WorkerLost, cause_of
from farm.errors import InvalidInput, LostRank, TooLarge, Unavailable
from farm.settings import Settings
from farm.tiers import growth
from farm.tiers.blame import blamed, is_at_fault, told
from farm.tiers.graves import Graves
from farm.tiers.placement import bundle, check, most_together, size_of
from farm.tiers.rank import Leash
from farm.tiers.version import code_version
from farm.tiers.watcher import bury, is_running

PEER = LostRank("devices: rank 0 of 2 has lost another one.")
DEAD = WorkerLost("a print process ended unexpectedly.")
STARVED = MemoryKilled("a print process was killed for its use of memory.")
MEMORY = RuntimeError("OutOfMemoryError: out of memory")


def raised(error: Exception) -> RayTaskError:
    return RayTaskError("follow", "Traceback …", error)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("errors", "culprit"),
    [
        ([PEER, MEMORY], MEMORY),
        ([DEAD, MEMORY], MEMORY),
        ([PEER, DEAD, STARVED], STARVED),
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
        (RayActorError(preempted=True), "preempted"),
        (OutOfMemoryError("Ray's memory monitor"), "out_of_memory"),  # type: ignore[no-untyped-call]
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


@pytest.mark.parametrize(("devices", "most", "size"), [(2, 4, 2), (4, 1, 1), (2, 0, 2)])
def test_a_gang_that_has_begun_makes_do_with_what_is_left(devices: int, most: int, size: int) -> None:
    assert size_of(devices, most) == size


def test_the_autoscaler_is_asked_when_something_changes_and_let_go_when_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[dict[str, float]]] = []
    there: list[dict[str, float]] = [{"CPU": 0.0}, {"CPU": 8.0, "GPU": 2.0}]
    labels: list[Any] = []

    def request(*, bundles: list[dict[str, float]], bundle_label_selectors: Any) -> None:
        asked.append(bundles)
        labels.append(bundle_label_selectors)

    monkeypatch.setattr(growth, "request_resources", request)
    monkeypatch.setattr(growth, "machines", lambda: there)
    grows = growth.Growth(Settings(max_devices=3))
    monkeypatch.setattr(growth, "selector", lambda pool: {"accelerator": pool})
    new, sent = (1, ""), (1, "L4")
    for ready, running in (
        (0, []), (1, []), (1, []), (0, [new]), (0, [sent]), (9, [sent, new]), (0, [sent, new]), (0, []),
    ):  # fmt: skip
        grows.ask(ready, running)
    one = {"CPU": 1, "GPU": 1}
    assert asked == [[one], [one], [one] * 3, [one] * 2, []]
    prints, l4 = {"tier": "!preview"}, {"accelerator": "L4"}
    assert labels == [[prints], [l4], [l4, prints, l4], [l4, prints], None]
    there[1] = {"CPU": 8.0}
    grows.ask(1, [])
    assert asked[-1] == [{"CPU": 8}], "a machine's processors work at one print"
    assert labels[-1] == [{}]


def test_a_rank_that_nobody_renews_ends_itself() -> None:
    ended = threading.Event()
    leash = Leash(ended.set)
    leash.lengthen(60)
    assert not ended.is_set()
    leash.lengthen(0.01)
    assert ended.wait(10)


def test_a_dispatcher_is_known_by_its_process() -> None:
    class Near:
        def is_running(self, node: str, pid: int, started: float) -> bool:
            return is_running(pid, started)

    graves: Any = Graves(Near())  # type: ignore[arg-type]
    me = psutil.Process()
    assert not graves.gone(f"dispatcher/node.{me.pid}.{me.create_time():.2f}/7")
    assert graves.gone(f"dispatcher/node.{me.pid}.{me.create_time() - 100:.2f}/7"), (
        "a number used again"
    )
    assert not graves.gone("dispatcher/7"), "nobody can tell"


def test_only_ranks_are_ever_ended() -> None:
    assert bury([os.getpid()]) == []


def test_code_that_changes_changes_the_version(tmp_path: Path) -> None:
    code_version.cache_clear()
    (tmp_path / "a.py").write_text("one = 1\n", encoding="utf-8")
    before = code_version(tmp_path)
    code_version.cache_clear()
    (tmp_path / "a.py").write_text("one = 2\n", encoding="utf-8")
    assert code_version(tmp_path) != before
    code_version.cache_clear()
