"""Ranks in threads: sums, messages, and what happens when one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest
import torch
from mesh_cases import CPU, around, cpus, in_turn, values
from torch import Tensor

from farm.engine.mesh import Alone, Mesh
from farm.engine.threads import spmd
from farm.errors import Cancelled, Unavailable


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_one_device_adds_and_sends_nothing() -> None:
    mesh: Mesh = Alone(CPU)
    given = values(0)
    assert all(one is other for one, other in zip(mesh.add(given), given, strict=True))
    assert mesh.exchange({}, {}, torch.float32) == {}
    with pytest.raises(ValueError, match="no messages"):
        mesh.exchange({1: torch.ones(1)}, {}, torch.float32)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sums_are_taken_in_the_order_of_the_ranks(size: int) -> None:
    found = spmd(cpus(size), lambda mesh: mesh.add(values(mesh.rank)))
    for sums in found:
        for one, wanted in zip(sums, in_turn(size), strict=True):
            assert one.dtype == wanted.dtype
            assert torch.equal(one, wanted)


def test_the_order_of_the_ranks_shows_in_the_sums() -> None:
    assert in_turn(3)[0] == 1.0
    assert values(0)[0] + (values(1)[0] + values(2)[0]) == 0.0


@pytest.mark.parametrize("other", [torch.ones(2, dtype=torch.float64), torch.ones(3)])
def test_ranks_must_add_alike(other: Tensor) -> None:
    with pytest.raises(ValueError, match=r"rank \d adds {'float\d\d': \d}, but rank \d adds {'float"):
        spmd(cpus(2), lambda mesh: mesh.add([other if mesh.rank else torch.ones(2)]))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_messages_arrive(size: int) -> None:
    for rank, found in enumerate(spmd(cpus(size), around)):
        assert list(found) == ([rank - 1] if rank else [])
        assert all(
            torch.equal(part, torch.full((rank, 2), rank - 1.0).half()) for part in found.values()
        )


def test_a_sender_may_change_what_it_has_sent() -> None:
    def work(mesh: Mesh) -> float:
        other, parcel = 1 - mesh.rank, torch.full((3,), float(mesh.rank))
        found = mesh.exchange({other: parcel}, {other: (3,)}, torch.float32)
        parcel.fill_(9)
        mesh.add([parcel])
        return float(found[other].mean())

    assert spmd(cpus(2), work) == [1.0, 0.0]


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param({0: (2,), 1: (2,)}, id="another shape"),
        pytest.param({}, id="unexpected"),
        pytest.param({0: (1,), 1: (1,), 2: (1,)}, id="expected in vain"),
    ],
)
def test_a_parcel_that_is_not_the_expected_one_is_an_error(
    expected: dict[int, tuple[int, ...]],
) -> None:
    def work(mesh: Mesh) -> object:
        others = {rank: (1,) for rank in range(2) if rank != mesh.rank}
        told = {rank: expected[rank] for rank in expected if rank != mesh.rank}
        parcels = {rank: torch.ones(1) for rank in others}
        return mesh.exchange(parcels, told, torch.float32)

    with pytest.raises(ValueError, match="expects"):
        spmd(cpus(2), work)


@pytest.mark.parametrize("error", [KeyError("lost"), Cancelled("stop")])
def test_a_failing_rank_wakes_the_others(error: BaseException) -> None:
    after = []

    def work(mesh: Mesh) -> None:
        if mesh.rank == 2:
            raise error
        try:
            mesh.add([torch.ones(1)])
        except Exception:  # noqa: BLE001  # what a rank catches must not keep it
            after.append("caught")
        after.append("went on")

    with pytest.raises(type(error)) as raised:
        spmd(cpus(4), work)
    assert raised.value is error
    assert after == []


def test_after_a_failure_no_rank_meets_another() -> None:
    met = []

    def work(mesh: Mesh) -> None:
        if mesh.rank == 1:
            raise KeyError("lost")
        try:
            mesh.add([torch.ones(1)])
        finally:
            met.append(mesh.add([torch.ones(1)]))

    with pytest.raises(KeyError):
        spmd(cpus(3), work)
    assert met == []


def test_a_rank_that_is_done_is_not_waited_for() -> None:
    with pytest.raises(RuntimeError, match="same calls"):
        spmd(cpus(3), lambda mesh: mesh.rank or mesh.add([torch.ones(1)]))


@pytest.mark.parametrize("answers_at_last", [True, False])
def test_waiting_has_an_end(answers_at_last: bool) -> None:
    late = threading.Event()

    def work(mesh: Mesh) -> None:
        if mesh.rank == 1:
            late.wait()
            return
        try:
            mesh.add([torch.ones(1)])
        finally:
            if answers_at_last:
                late.set()

    try:
        with pytest.raises(Unavailable, match=r"one of 2 did not answer within 0\.05 s"):
            spmd(cpus(2), work, timeout_seconds=0.05)
    finally:
        late.set()
        for thread in threading.enumerate():
            if thread.name.startswith("rank-"):
                thread.join()


def test_ranks_share_the_callers_threads_and_what_it_logs_with() -> None:
    label: ContextVar[str] = ContextVar("label")
    label.set("print")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        shared = spmd(cpus(2), lambda mesh: (torch.get_num_threads(), label.get()))
        given = spmd(cpus(2), lambda mesh: torch.get_num_threads(), threads_per_rank=3)
        assert torch.get_num_threads() == 4
        later = threading.Thread(target=lambda: given.append(torch.get_num_threads()))
        later.start()
        later.join()
    finally:
        torch.set_num_threads(before)
    assert shared == [(2, "print")] * 2
    assert given == [3, 3, 4]


def test_one_device_needs_no_thread() -> None:
    assert spmd(cpus(1), lambda mesh: (threading.current_thread(), mesh.size)) == [
        (threading.current_thread(), 1)
    ]
    with pytest.raises(ValueError, match="at least one device"):
        spmd([], lambda mesh: None)
