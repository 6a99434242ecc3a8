"""What a checkpoint costs: time and bytes to keep a run's state and to read it back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from farm.engine.adam import AdamOptions, AdamState
from farm.engine.frame import MARGIN
from farm.engine.guard import Guard
from farm.engine.layout import Layout
from farm.engine.manifest import blobs_of
from farm.engine.measure.pace import Effort, pace
from farm.engine.mesh import Alone
from farm.engine.optimise import Iterate
from farm.engine.pyramid import Scale
from farm.engine.resume import Facts, go_on, keep
from farm.store import BlobStore


@dataclass(frozen=True)
class Cost:
    """Of one checkpoint: seconds to keep it, seconds to read all its rows, bytes in the store."""

    keeping: float
    reading: float
    bytes: int
    pixels: int


def checkpoint_cost(
    side: int, device: torch.device, effort: Effort, folder: Path | None = None
) -> Cost:
    """Keep and read the state of ``side × side`` pixels in a store on a disk, synced as always.

    Args:
        folder: where the store is made and removed again; the temporary folder if absent.
    """
    iterate, scale = _iterate(side, device), Scale(side, side, 1)
    mesh, numbers = Alone(device), count()
    names: list[str] = []
    with TemporaryDirectory(prefix="farm-", dir=folder) as home:
        store = BlobStore(home)

        def written() -> torch.Tensor:
            facts = Facts(f"bench attempt {next(numbers)}", "float32", "farm-texture", 0)
            if names:
                _forget(store, names.pop())
            names.append(keep(iterate, scale, mesh, store.put, facts) or "")
            return iterate.loss

        def read() -> torch.Tensor:
            resume, _ = go_on(store.get, names[0], device)
            return resume.read(0, side)["picture"]

        keeping, reading = pace(written, effort).median, pace(read, effort).median
        size = sum(store.size(sha) for sha in blobs_of(store.get, names[0]))
    return Cost(keeping, reading, size, scale.pixels)


def _forget(store: BlobStore, name: str) -> None:
    for sha in blobs_of(store.get, name):
        store.delete(sha)


def _iterate(side: int, device: torch.device) -> Iterate:
    """An iterate of noise, which no compression would make smaller."""
    state = AdamState.start(torch.rand(1, 3, side, side, device=device), AdamOptions(), side * side)
    for one in (state.first, state.deviation, state.lag):
        one.copy_(torch.rand_like(state.picture))
    layout = Layout(((0, side + 2 * MARGIN),), ((0, side),), ((0, side),))
    loss = torch.zeros((), device=device)
    return Iterate(1, 1, 1, 1, loss, state, 0.0, layout, Guard(1))
