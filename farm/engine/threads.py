"""Several devices in one process: a thread per device, all running the same program (SPMD).

torch lets go of Python's lock while it computes, so threads keep their devices busy, and tensors move
from one device to another without a detour. A rank that fails or ends early cannot leave the others
waiting: they are woken and end too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Condition
from typing import TypeVar

import torch
from torch import Tensor

from farm.engine.mesh import Alone, Mesh, flattened, summed, unflattened
from farm.errors import Unavailable

T = TypeVar("T")

TIMEOUT_SECONDS = 3600.0
"""How long a rank waits for the others; far more than any iteration takes."""


def spmd(
    devices: Sequence[torch.device], work: Callable[[Mesh], T], *, threads_per_rank: int | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[T]:  # fmt: skip
    """Run ``work`` once per device, each in a thread; returns what they return, rank by rank.

    What the ranks share, they must not change. One device needs no thread.

    Args:
        threads_per_rank: torch's own threads on each CPU device; those of the caller are
            divided among the ranks if absent.

    Raises:
        Unavailable: a rank waited too long for the others.
        Exception: the first that a rank raised; the others have ended.
    """
    if len(devices) == 1:
        return [work(Alone(devices[0]))]
    crew = _Crew(devices, threads_per_rank, timeout_seconds)
    try:
        return crew.run(lambda rank: work(crew.ranks[rank]))
    finally:
        crew.dismiss()


class ThreadRank:
    """One thread's view of the mesh."""

    def __init__(self, table: _Table, rank: int, device: torch.device) -> None:
        self._table = table
        self.rank, self.size, self.device = rank, len(table.values), device

    def add(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The sums over the ranks; see ``Mesh``.

        Raises:
            ValueError: ranks add different things.
        """
        table = self._table
        mine = table.values[self.rank] = flattened(values)
        table.meet()
        for rank, other in enumerate(table.values):
            if _kinds(other) != _kinds(mine):
                raise ValueError(
                    f"rank {self.rank} adds {_kinds(mine)}, but rank {rank} adds {_kinds(other)}"
                )
        flat = {dtype: summed([part[dtype].to(self.device) for part in table.values]) for dtype in mine}
        table.meet()
        return unflattened(flat, values)

    def exchange(
        self, parcels: Mapping[int, Tensor], expected: Mapping[int, tuple[int, ...]], dtype: torch.dtype
    ) -> dict[int, Tensor]:
        """What the others sent here; see ``Mesh``.

        Raises:
            ValueError: something else was sent than was expected.
        """
        table = self._table
        table.parcels[self.rank] = parcels
        table.meet()
        coming = {rank: sent[self.rank] for rank, sent in enumerate(table.parcels) if self.rank in sent}
        shapes = {rank: tuple(parcel.shape) for rank, parcel in coming.items()}
        if shapes != dict(expected) or any(parcel.dtype != dtype for parcel in coming.values()):
            raise ValueError(f"rank {self.rank} expects {dtype} of {dict(expected)}, not {shapes}")
        # Copied on the way, also on one device: the sender goes on to change its own.
        found = {
            rank: parcel.to(self.device, copy=True, memory_format=torch.contiguous_format)
            for rank, parcel in coming.items()
        }
        table.meet()
        return found


class _Table:
    """Where ranks lay out what others read, and wait for each other before and after.

    A barrier, but one that knows when waiting is in vain, and that never breaks up a meeting that
    has taken place.
    """

    def __init__(self, size: int, timeout_seconds: float) -> None:
        self.values: list[dict[torch.dtype, Tensor]] = [{} for _ in range(size)]
        self.parcels: list[Mapping[int, Tensor]] = [{} for _ in range(size)]
        self.cause: BaseException | None = None
        self._timeout = timeout_seconds
        self._changed = Condition()
        self._present = self._meetings = self._gone = 0

    def meet(self) -> None:
        """Wait for all ranks.

        Raises:
            _Stopped: a rank has failed.
            RuntimeError: a rank has finished without coming.
            Unavailable: it takes too long.
        """
        with self._changed:
            if self.cause:
                raise _Stopped
            number = self._meetings
            self._present += 1
            if self._present == len(self.values):
                self._present = 0
                self._meetings += 1
                self._changed.notify_all()
                return
            self._changed.wait_for(
                lambda: self._meetings > number or self._gone or self.cause, self._timeout
            )
            if self._meetings > number:
                return
            if self.cause:
                raise _Stopped
            if self._gone:
                raise RuntimeError("a rank waits for one that is done; all must make the same calls")
            raise Unavailable(
                f"devices: one of {len(self.values)} did not answer within {self._timeout:g} s; "
                "run the job again, without it if need be."
            )

    def begin(self) -> None:
        """All ranks are about to work."""
        self._gone = 0

    def leave(self) -> None:
        """A rank has done its work."""
        with self._changed:
            self._gone += 1
            self._changed.notify_all()

    def stop(self, cause: BaseException) -> None:
        """Wake all who wait, and who will; the first cause counts."""
        with self._changed:
            self.cause = self.cause or cause
            self._changed.notify_all()


class _Crew:
    """A thread per rank, which all run one task at a time."""

    def __init__(
        self, devices: Sequence[torch.device], threads_per_rank: int | None, timeout_seconds: float
    ) -> None:
        if not devices:
            raise ValueError("a mesh needs at least one device")
        self._table = _Table(len(devices), timeout_seconds)
        self._timeout, self.stuck = timeout_seconds, False
        self.ranks = [ThreadRank(self._table, *numbered) for numbered in enumerate(devices)]
        self._before = torch.get_num_threads()
        sharing = sum(device.type == "cpu" for device in devices)
        self._threads_each = threads_per_rank or max(1, self._before // max(1, sharing))
        self._threads = [
            # What is logged in a rank carries what lines of the caller carry.
            (ThreadPoolExecutor(1, thread_name_prefix=f"rank-{rank}"), copy_context())
            for rank in range(len(devices))
        ]
        self.run(self._settle_in)

    def run(self, task: Callable[[int], T]) -> list[T]:
        """The task's results for all ranks, once all are done.

        Raises:
            BaseException: that of the first rank that failed in this task.
        """
        self._table.begin()
        futures = [
            thread.submit(context.run, self._guarded, task, rank)
            for rank, (thread, context) in enumerate(self._threads)
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            self.stuck = bool(wait(futures, self._timeout).not_done) if self._table.cause else False
        except BaseException as error:
            self._table.stop(error)
            raise
        done = [future for future in futures if future.done()]
        failures = [failure for future in done if (failure := future.exception())]
        try:
            if failures:
                cause = self._table.cause
                raise cause if cause in failures else failures[0]
            return [future.result() for future in futures]
        finally:
            # Or the error, its frames and their tensors would keep each other.
            del futures, done, failures

    def dismiss(self) -> None:
        """End the threads; waits for those at work, but not for one that answers no more."""
        for thread, _ in self._threads:
            thread.shutdown(wait=not self.stuck)
        # Threads made later start with the number that was set last, on whatever thread.
        torch.set_num_threads(self._before)

    def _guarded(self, task: Callable[[int], T], rank: int) -> T:
        try:
            return task(rank)
        except BaseException as error:
            self._table.stop(error)
            raise
        finally:
            self._table.leave()

    def _settle_in(self, rank: int) -> None:
        device = self.ranks[rank].device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if device.type == "cpu":
            torch.set_num_threads(self._threads_each)


class _Stopped(BaseException):
    """Another rank has failed; no ``Exception``, so that what a rank catches cannot swallow it."""


def _kinds(flat: Mapping[torch.dtype, Tensor]) -> dict[str, int]:
    """How many values there are of each dtype."""
    return {str(dtype).removeprefix("torch."): vector.numel() for dtype, vector in flat.items()}
