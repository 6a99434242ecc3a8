"""A small checkpoint that the tests of checkpoints share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from engine_cases import noise
from torch import Tensor

from farm.engine.checkpoint import dtypes_of, write_rows
from farm.engine.manifest import Header, publish
from farm.store import BlobStore

CPU = torch.device("cpu")
HEIGHT, WIDTH = 11, 7


class Shelf:
    """A store without a disk, whose names are numbers."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self.asked: list[str] = []

    def put(self, data: bytes) -> str:
        self.blobs.append(data)
        return f"{len(self.blobs) - 1:064x}"

    def get(self, sha: str) -> bytes:
        self.asked.append(sha)
        return self.blobs[int(sha, 16)]


def state(seed: int = 0, height: int = HEIGHT) -> dict[str, Tensor]:
    """Tensors of all dtypes that states have, each with a NaN to carry through."""
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    found = {
        f"t{i}": noise(1, 3, height, WIDTH, seed=seed + i).to(kind) for i, kind in enumerate(kinds)
    }
    for tensor in found.values():
        tensor[0, 1, 0, 2] = torch.nan
    return found


def header(owner: str = "t1 attempt 1", iteration: int = 5, height: int = HEIGHT) -> Header:
    return Header(
        owner=owner, optimiser="adam", height=height, width=WIDTH, scale=2, iteration=iteration,
        tensors=dtypes_of(state()), counters={"step": 12, "rate": 0.1 + 0.2, "whole": 3.0},
        precision="bfloat16", extractor="farm-texture", seed=7, generator=bytes(range(256)),
    )  # fmt: skip


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return found.keys() == wanted.keys() and all(
        found[name].dtype == one.dtype
        and found[name].shape == one.shape
        and torch.equal(found[name].contiguous().view(torch.uint8), one.contiguous().view(torch.uint8))
        for name, one in wanted.items()
    )


def bands(edges: Sequence[int], height: int = HEIGHT) -> Iterator[tuple[int, int]]:
    """The rows between edges, which may be alike: a device may have none."""
    ends = [0, *sorted(edges), height]
    yield from pairwise(ends)


def cut(tensors: dict[str, Tensor], top: int, bottom: int) -> dict[str, Tensor]:
    return {name: one[:, :, top:bottom] for name, one in tensors.items()}


def written(store: BlobStore | Shelf, facts: Header, seed: int = 0, rows: int = 4) -> str:
    """A checkpoint that two ranks wrote."""
    tensors, chunks = state(seed), []
    for top, bottom in bands([6]):
        chunks += write_rows(facts, cut(tensors, top, bottom), top, store.put, rows)
    return publish(facts, reversed(chunks), store.put)
