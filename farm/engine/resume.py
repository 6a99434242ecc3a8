"""Iterates to checkpoints and back: what is kept of a run, and where it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.checkpoint import dtypes_of, gather, read_rows, write_rows
from farm.engine.guard import Diverged
from farm.engine.lbfgs import LbfgsState
from farm.engine.manifest import Get, Header, Put, publish, read_manifest
from farm.engine.mesh import Mesh
from farm.engine.optimise import Iterate, Resume
from farm.engine.pyramid import Scale


@dataclass(frozen=True)
class Facts:
    """What a checkpoint says of its run. ``owner`` is the task and the attempt."""

    owner: str
    precision: str
    extractor: str
    seed: int


def keep(iterate: Iterate, scale: Scale, mesh: Mesh, put: Put, facts: Facts) -> str | None:
    """Keep the state after this iterate; returns the checkpoint's name on rank 0.

    Every rank writes its own rows; the manifest is put last, so what is there is whole. A state with
    values that are no numbers is not kept, whatever the loss before the last step was.

    Raises:
        Diverged: the state has such values.
        Unavailable: the store cannot be written.
    """
    state = iterate.state
    wrong = sum((~one.isfinite()).any().float() for one in state.tensors().values())
    (wrong,) = mesh.add([torch.as_tensor(wrong, device=mesh.device)])
    if wrong.item():
        raise Diverged(iterate.scale, iterate.iteration)
    header = Header(
        owner=facts.owner, precision=facts.precision, extractor=facts.extractor, seed=facts.seed,
        optimiser="lbfgs" if isinstance(state, LbfgsState) else "adam",
        height=scale.height, width=scale.width, scale=iterate.scale, iteration=iterate.iteration,
        tensors=dtypes_of(state.tensors()), counters=state.counters(),
    )  # fmt: skip
    top, bottom = iterate.layout.owned[mesh.rank]
    chunks = write_rows(header, state.tensors(), top, put) if bottom > top else []
    everyones = gather(mesh, chunks)
    return publish(header, everyones, put) if mesh.rank == 0 else None


def go_on(get: Get, name: str, device: torch.device) -> tuple[Resume, Header]:
    """Where the checkpoint of that name goes on.

    Raises:
        InvalidInput: it is no checkpoint, or damaged.
        NotFound: it is not there.
        Unavailable: the store cannot be read.
    """
    manifest = read_manifest(get, name)
    header = manifest.header

    def read(top: int, bottom: int) -> Mapping[str, Tensor]:
        return read_rows(get, manifest, top, bottom, device)

    resume = Resume(header.scale, header.iteration, header.optimiser, dict(header.counters), read)
    return resume, header
