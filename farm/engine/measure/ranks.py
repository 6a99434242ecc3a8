"""What more ranks bring: the pace of several processes that share a picture against that of one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.multiprocessing as processes

from farm.engine.distributed import Backend, free_port, join
from farm.engine.measure.iteration import iteration_pace
from farm.engine.measure.pace import Effort, Pace
from farm.engine.measure.subject import Subject
from farm.engine.memory import keep_pages
from farm.engine.mesh import Mesh
from farm.engine.precision import Precision
from farm.errors import Unavailable

_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Work:
    """What every rank does: ``subject``'s iterations, on its own device."""

    subject: Subject
    kind: Precision
    effort: Effort
    devices: tuple[str, ...]
    port: int
    folder: Path


@dataclass(frozen=True)
class Speedup:
    """The paces of one rank alone and of all together, each rank with one thread or one GPU."""

    alone: Pace
    together: Pace
    ranks: int

    @property
    def times(self) -> float:
        """How many times as fast all together are."""
        return self.alone.median / self.together.median

    @property
    def efficiency(self) -> float:
        """Of each rank: 1 if it were as good as when alone."""
        return self.times / self.ranks


def speedup(subject: Subject, kind: Precision, devices: Sequence[str], effort: Effort) -> Speedup:
    """Iterations on the first device alone, and on all of them, a process each.

    Args:
        subject: on the processor.
        devices: ``cpu`` as often as there shall be ranks of one thread, or GPUs.

    Raises:
        Unavailable: a rank failed.
    """
    effort = Effort(effort.repeats, together=effort.together)  # the same number on every rank
    with TemporaryDirectory(prefix="farm-") as folder, _one_thread():
        work = Work(subject, kind, effort, tuple(devices), free_port(), Path(folder))
        context = processes.get_context("spawn")
        crew = [context.Process(target=_rank, args=(rank, work)) for rank in range(len(devices))]
        for process in crew:
            process.start()
        for process in crew:
            process.join()
        if failed := [rank for rank, process in enumerate(crew) if process.exitcode]:
            raise Unavailable(f"bench: ranks {failed} of {len(crew)} failed; their errors are above.")
        told = json.loads((Path(folder) / "paces.json").read_text())
    return Speedup(Pace(tuple(told["alone"])), Pace(tuple(told["together"])), len(devices))


def _rank(rank: int, work: Work) -> None:
    """One process: rank 0 alone first, then all."""
    keep_pages()
    torch.set_num_threads(1)
    device = torch.device(work.devices[rank])
    backend: Backend = "nccl" if device.type == "cuda" else "gloo"
    size = len(work.devices)
    with join(rank, size, work.port, backend=backend, device=device) as group:
        alone = _pace(work, device) if rank == 0 else None
        group.meet()
        together = _pace(work, device, group)
    if alone is not None:
        told = {"alone": alone.seconds, "together": together.seconds}
        (work.folder / "paces.json").write_text(json.dumps(told))


def _pace(work: Work, device: torch.device, mesh: Mesh | None = None) -> Pace:
    given = work.subject
    extractor = given.extractor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    subject = Subject(extractor, given.recipe, given.content.to(device), given.style.to(device))
    return iteration_pace(subject, subject.evaluator(work.kind), work.effort, mesh)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started in here have one thread for their sums, from the moment they load torch."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
