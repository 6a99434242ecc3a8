"""Ranks in processes of their own: they find what threads find, and a dead one is told of."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import torch.multiprocessing as processes
from mesh_cases import CPU, around, cpus, halo, in_turn, values
from torch import Tensor

from farm.engine.distributed import free_port, join
from farm.engine.mesh import Mesh
from farm.engine.threads import spmd
from farm.errors import Unavailable


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
