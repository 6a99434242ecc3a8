"""A process per rank, on one machine or several: torch.distributed with gloo (CPU) or NCCL (CUDA).

Only plain gathers and messages between two are used, whose bytes arrive as they were sent; sums are
taken here, in the order of the ranks. All-reduce would save a part of a message of few megabytes, but
promises neither the same bits everywhere nor the same from run to run.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from farm.engine.mesh import flattened, summed, unflattened
from farm.errors import LostRank

Backend = Literal["gloo", "nccl"]
LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 600.0
"""How long a rank waits for the others before it gives up the group."""
_CHOICES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Where users choose the network interface that tensors travel on."""
_LOOPBACKS = ("lo", "lo0")
"""What Linux and macOS call the interface that leads nowhere else."""


class Group:
    """This process's view of an initialised process group, whose ranks are the mesh's.

    With gloo a dead or silent peer raises ``LostRank``. NCCL works on while Python goes ahead, and
    ends the process when it has waited for too long.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size, self.device = dist.get_rank(), dist.get_world_size(), device
        self._lost = f"devices: rank {self.rank} of {self.size} has lost another one"

    def add(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The sums over the ranks; see ``Mesh``.

        Raises:
            LostRank: another rank is gone, or silent for too long.
        """
        flat = {}
        for dtype, mine in flattened(values).items():
            parts = [torch.empty_like(mine) for _ in range(self.size)]
            if mine.numel():
                with _reported(self._lost):
                    dist.all_gather(parts, mine)
            flat[dtype] = summed(parts)
        return unflattened(flat, values)

    def exchange(
        self, parcels: Mapping[int, Tensor], expected: Mapping[int, tuple[int, ...]], dtype: torch.dtype
    ) -> dict[int, Tensor]:
        """What the others sent here; see ``Mesh``.

        Raises:
            LostRank: another rank is gone, or silent for too long.
            ValueError: a parcel is of another dtype.
        """
        wrong = [parcel.dtype for parcel in parcels.values() if parcel.dtype != dtype]
        if wrong:
            raise ValueError(f"rank {self.rank} sends {dtype}, not {wrong[0]}")
        found = {
            rank: torch.empty(shape, dtype=dtype, device=self.device)
            for rank, shape in expected.items()
        }
        sent = {rank: parcel.contiguous() for rank, parcel in parcels.items()}
        messages = [dist.P2POp(dist.irecv, buffer, rank) for rank, buffer in found.items()]
        messages += [dist.P2POp(dist.isend, parcel, rank) for rank, parcel in sent.items()]
        if messages:
            with _reported(self._lost):
                for work in dist.batch_isend_irecv(messages):
                    work.wait()
        return found

    def meet(self) -> None:
        """Wait until every rank has come here."""
        with _reported(self._lost):
            self.add([torch.zeros(1, device=self.device)])[0].item()


@contextmanager
def join(
    rank: int, size: int, port: int, *, address: str = LOOPBACK, backend: Backend = "gloo",
    timeout_seconds: float = TIMEOUT_SECONDS, device: torch.device | None = None,
) -> Iterator[Group]:  # fmt: skip
    """Be rank ``rank`` of ``size`` processes that meet at rank 0's ``address`` and ``port``.

    Only that address is listened on for the meeting, and only loopback at all if that is what it is. A
    process is in one group at a time. Whoever leaves with an error takes the others along.

    Args:
        port: the same for all, e.g. from ``free_port`` on rank 0's machine.
        device: where this rank's tensors are; the CPU if absent.

    Raises:
        LostRank: the others did not come in time, or one of them died.
        ValueError: the backend is for other devices.
    """
    device = device or torch.device("cpu")
    if (backend == "nccl") != (device.type == "cuda"):
        raise ValueError(f"{backend!r} is not for {device.type}; gloo is for cpu, nccl for cuda")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    timeout = timedelta(seconds=timeout_seconds)
    with _reported(f"devices: {size} ranks did not meet at {address}:{port}"), _interface(address):
        # Left to itself, the meeting's host would listen on all interfaces.
        listener = _listener(address, port).detach() if rank == 0 else None
        store = dist.TCPStore(  # type: ignore[attr-defined]  # exported, though not by name
            address, port, size, rank == 0, timeout, wait_for_workers=False, master_listen_fd=listener
        )
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
    try:
        group = Group(device)
        group.meet()  # NCCL connects the ranks only in a call that all of them make
        yield group
        group.meet()  # or who leaves first would close connections that others still read from
    except BaseException:
        if backend == "nccl" and dist.group.WORLD is not None:
            dist.group.WORLD.abort()  # leaving would wait for the dead
        raise
    finally:
        dist.destroy_process_group()


def free_port(address: str = LOOPBACK) -> int:
    """A port that nobody listens on now."""
    with _listener(address, 0) as listener:
        return int(listener.getsockname()[1])


def _listener(address: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((address, port), family=family)


@contextmanager
def _interface(address: str) -> Iterator[None]:
    """Keep a group that meets on loopback off all other interfaces, unless the user chose one."""
    meets_at = ipaddress.ip_address(socket.getaddrinfo(address, None)[0][4][0])
    loopback = [name for _, name in socket.if_nameindex() if name in _LOOPBACKS]
    added = [name for name in _CHOICES if name not in os.environ]
    if not meets_at.is_loopback or not loopback:
        added = []
    os.environ.update({name: loopback[0] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _reported(what: str) -> Iterator[None]:
    """Say in a sentence what torch.distributed and the network report in many."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, OSError) as error:
        message = f"{what} ({_gist(error)}); run the job again, it goes on from its last checkpoint."
        raise LostRank(message) from error


def _gist(error: BaseException) -> str:
    """The first sentence of an error, without the source file that torch puts before it."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    told = line.partition("] ")[2] if line.startswith("[/") else line
    return told.partition(". ")[0].rstrip(".")
