"""Ranks in threads and in processes: sums, messages, and what happens when one of them fails."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import torch.multiprocessing as processes
from torch import Tensor

from farm.engine.distributed import free_port, join
from farm.engine.halo import Halo, gather
from farm.engine.mesh import Alone, Mesh
from farm.engine.threads import spmd, stream
from farm.errors import Cancelled, Unavailable

CPU = torch.device("cpu")
OWNED, NEEDED = [(0, 4), (4, 4), (4, 9)], [(0, 6), (2, 5), (3, 9)]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def cpus(count: int) -> list[torch.device]:
    return [CPU] * count


def values(rank: int) -> list[Tensor]:
    """Of several shapes and dtypes; float32 sums of these depend on their order."""
    generator = torch.Generator().manual_seed(rank)
    large = torch.tensor([1e8, -1e8, 1.0, 3.0][rank % 4])
    return [
        large, torch.rand(3, 5, generator=generator, dtype=torch.float64), torch.zeros(0, 2),
        torch.rand(7, generator=generator) * large, torch.tensor([rank, 2]),
        torch.rand(4, generator=generator).half(),
    ]  # fmt: skip


def in_turn(size: int) -> list[Tensor]:
    total = values(0)
    for rank in range(1, size):
        total = [one + other for one, other in zip(total, values(rank), strict=True)]
    return total


def around(mesh: Mesh) -> dict[int, Tensor]:
    """Rank r sends r + 1 rows of its number to the next, in float16; the last sends nothing."""
    ranks = range(mesh.size - 1)
    parcels = {mesh.rank + 1: torch.full((mesh.rank + 1, 2), float(mesh.rank)).half()}
    expected = {mesh.rank - 1: (mesh.rank, 2)}
    return mesh.exchange(
        parcels if mesh.rank in ranks else {}, expected if mesh.rank else {}, torch.float16
    )


def picture(rows: tuple[int, int]) -> Tensor:
    return (
        torch.arange(9 * 2 * 4, dtype=torch.float64).view(1, 2, 9, 4)[:, :, rows[0] : rows[1]].clone()
    )


def halo(mesh: Mesh) -> tuple[Tensor, list[tuple[int, Tensor]], Tensor | None]:
    one = Halo(mesh, OWNED, NEEDED)
    own = picture(OWNED[mesh.rank])
    fetched = one.fetch(own)
    top, bottom = NEEDED[mesh.rank]
    first, end = one.exclusive
    pieces = [(row, fetched[:, :, row - top : row - top + 1] / 3) for row in range(top, bottom)]
    settled = one.settle([piece for piece in pieces if not first <= piece[0] < end])
    return fetched, settled, gather(mesh, own, OWNED)


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
    assert list(stream(cpus(1), lambda mesh: iter([threading.current_thread()]))) == [
        threading.current_thread()
    ]
    with pytest.raises(ValueError, match="at least one device"):
        spmd([], lambda mesh: None)


class Counting:
    """Generators that count what they make, and where they ended."""

    def __init__(self, items: Callable[[int], int] = lambda rank: 5) -> None:
        self.made = [0] * 3
        self.closed: list[int] = []
        self._items = items

    def __call__(self, mesh: Mesh) -> Iterator[tuple[int, float]]:
        try:
            for number in range(self._items(mesh.rank)):
                (total,) = mesh.add([torch.tensor(float(number))])
                self.made[mesh.rank] += 1
                yield mesh.rank, float(total)
        finally:
            self.closed.append(mesh.rank)


def test_a_stream_hands_out_rank_0s_items_in_lockstep() -> None:
    ranks = Counting()
    for number, item in enumerate(stream(cpus(3), ranks)):
        assert item == (0, 3.0 * number)
        assert ranks.made == [number + 1] * 3
    assert ranks.made == [5] * 3
    assert sorted(ranks.closed) == [0, 1, 2]


def test_closing_a_stream_closes_all_ranks() -> None:
    ranks = Counting()
    items = stream(cpus(3), ranks)
    assert next(items) == (0, 0.0)
    assert next(items) == (0, 3.0)
    items.close()  # type: ignore[attr-defined]
    assert ranks.made == [2] * 3
    assert sorted(ranks.closed) == [0, 1, 2]


@pytest.mark.parametrize("short", [0, 1])
def test_ranks_of_a_stream_must_end_together(short: int) -> None:
    with pytest.raises(RuntimeError, match="same calls"):
        list(stream(cpus(3), Counting(lambda rank: 1 if rank == short else 2)))
    with pytest.raises(RuntimeError, match=r"ranks \[0\] of 2 ended before the others"):
        list(stream(cpus(2), lambda mesh: iter(range(3 + mesh.rank))))


def test_an_error_in_any_rank_ends_a_stream() -> None:
    ranks = Counting()

    def work(mesh: Mesh) -> Iterator[object]:
        for item in ranks(mesh):
            if mesh.rank == 1 and ranks.made[1] == 2:
                raise KeyError("lost")
            mesh.add([torch.ones(1)])
            yield item

    items = stream(cpus(3), work)
    next(items)
    with pytest.raises(KeyError, match="lost"):
        next(items)
    assert ranks.made == [2] * 3


def test_ranks_may_meet_while_a_stream_is_closed() -> None:
    met = []

    def work(mesh: Mesh) -> Iterator[int]:
        try:
            yield 0
        finally:
            met.append(int(mesh.add([torch.ones(())])[0]))

    items = stream(cpus(3), work)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert met == [3, 3, 3]


@dataclass(frozen=True)
class Report:
    """What the processes of a group found, rank by rank."""

    found: list[dict[str, Any]]
    told: list[dict[str, Any]]


def process_rank(rank: int, size: int, port: int, folder: Path) -> None:
    """Do in a process what the tests do in threads; then rank 1 dies."""
    torch.set_num_threads(1)
    told: dict[str, Any] = {}
    try:
        with join(rank, size, port, timeout_seconds=60) as group:
            found = {"sums": group.add(values(rank)), "around": around(group), "halo": halo(group)}
            torch.save(found, folder / f"{rank}.pt")
            listening = psutil.Process().net_connections("tcp")
            told["listens"] = [one.laddr.ip for one in listening if one.status == psutil.CONN_LISTEN]
            told["environment"] = sorted(name for name in os.environ if name.endswith("SOCKET_IFNAME"))
            group.meet()
            if rank == 1:
                os._exit(3)
            group.exchange({}, {1: (2,)}, torch.float32)
    except Unavailable as error:
        told["error"] = error.message
    (folder / f"{rank}.json").write_text(json.dumps(told))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Three processes with gloo on loopback, run once."""
    folder = tmp_path_factory.mktemp("group")
    context = processes.get_context("spawn")
    port = free_port()
    ranks = [context.Process(target=process_rank, args=(rank, 3, port, folder)) for rank in range(3)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(100)
    assert [process.exitcode for process in ranks] == [0, 3, 0]
    return Report(
        [torch.load(folder / f"{rank}.pt") for rank in range(3)],
        [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 2)],
    )


def same(one: object, other: object) -> bool:
    """Whether nested tensors are bit for bit the same."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and same([*one.items()], [*other.items()])
    if isinstance(one, (list, tuple)):
        return (
            isinstance(other, (list, tuple)) and len(one) == len(other) and all(map(same, one, other))
        )
    return one == other


@pytest.mark.parametrize(("what", "work"), [("around", around), ("halo", halo)])
def test_processes_find_what_threads_find(
    report: Report, what: str, work: Callable[[Mesh], object]
) -> None:
    assert same([found[what] for found in report.found], spmd(cpus(3), work))


def test_processes_add_in_the_order_of_the_ranks(report: Report) -> None:
    assert all(same(found["sums"], in_turn(3)) for found in report.found)


def test_a_group_on_loopback_listens_nowhere_else(report: Report) -> None:
    for told in report.told:
        assert told["listens"]
        assert {ip.removeprefix("::ffff:") for ip in told["listens"]} <= {"127.0.0.1", "::1"}
        assert told["environment"] == []


def test_a_dead_rank_is_reported_in_a_sentence(report: Report) -> None:
    for rank, told in zip((0, 2), report.told, strict=True):
        assert told["error"].startswith(f"devices: rank {rank} of 3 has lost another one (")
        assert told["error"].endswith("; run the job again, it goes on from its last checkpoint.")
        assert "\n" not in told["error"]
        assert "🏖" not in told["error"]


def test_a_group_of_one_works_and_can_be_joined_again() -> None:
    for _ in range(2):
        with join(0, 1, free_port()) as group:
            assert same(group.add(values(0)), values(0))
            assert group.exchange({}, {}, torch.float32) == {}


def test_a_rank_that_does_not_come_is_reported() -> None:
    with (
        pytest.raises(Unavailable, match=r"2 ranks did not meet at 127\.0\.0\.1:\d+ \("),
        join(0, 2, free_port(), timeout_seconds=0.1),
    ):
        pass


def test_a_taken_port_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Unavailable, match="Address already in use"), join(0, 1, port):
            pass


def test_a_backend_is_for_its_own_devices() -> None:
    with pytest.raises(ValueError, match="nccl for cuda"), join(0, 1, 1, backend="nccl", device=CPU):
        pass
