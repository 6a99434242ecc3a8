"""A run's state in the store, as rows: enough to go on after any interruption, on any layout.

Each rank writes its own rows in chunks of bounded size and reads the rows it needs, whoever wrote them.
A chunk is safetensors, so reading one executes nothing; ``farm.engine.manifest`` is what names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from farm.engine.manifest import Chunk, Dtype, Get, Header, Manifest, Put, fetch, unreadable
from farm.engine.mesh import Mesh

CHUNK_BYTES = 64 << 20
"""Most bytes of pixels in a chunk, unless one row is more; what writing and reading hold twice."""
_WORDS = 4
"""64-bit words in a sha256."""


def dtypes_of(tensors: Mapping[str, Tensor]) -> dict[str, Dtype]:
    """Names and dtypes as a header has them."""
    return {name: cast(Dtype, str(one.dtype).removeprefix("torch.")) for name, one in tensors.items()}


def rows_per_chunk(tensors: Mapping[str, Tensor], limit: int = CHUNK_BYTES) -> int:
    """Rows of all the tensors together that make up to ``limit`` bytes, but at least one."""
    row = sum(one.shape[1] * one.shape[3] * one.element_size() for one in tensors.values())
    return max(1, limit // row)


def write_rows(
    header: Header, tensors: Mapping[str, Tensor], top: int, put: Put, rows: int | None = None
) -> list[Chunk]:
    """Put the band of the state that begins at row ``top``, in chunks of ``rows``; returns them.

    Tensors are ``(1, 3, h, width)`` on any device; no more of them is copied at a time than a chunk.

    Raises:
        ValueError: the tensors are not what the header says.
        Unavailable: the store cannot be written.
    """
    (height,) = {one.shape[2] for one in tensors.values()}
    if dtypes_of(tensors) != header.tensors:
        raise ValueError(f"the header names {header.tensors}, the state has {dtypes_of(tensors)}")
    for one in tensors.values():
        if one.shape != (1, 3, height, header.width) or top + height > header.height:
            raise ValueError(f"rows from {top} of shape {tuple(one.shape)} are not in the picture")
    step = rows or rows_per_chunk(tensors)
    return [_put_chunk(header, tensors, top, cut, put) for cut in _cuts(height, step)]


def gather(mesh: Mesh, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks of all ranks, on every rank. Returns when every rank has put its own.

    They travel as whole numbers in sums, each rank adding zeros where the others' chunks are.
    """
    counts = torch.zeros(mesh.size, dtype=torch.int64, device=mesh.device)
    counts[mesh.rank] = len(chunks)
    found = [int(count) for count in mesh.add([counts])[0].tolist()]
    before, total = sum(found[: mesh.rank]), sum(found)
    if not total:
        return []
    table = torch.zeros(total, 3 + _WORDS, dtype=torch.int64)
    for row, chunk in enumerate(chunks, start=before):
        table[row] = torch.tensor([chunk.top, chunk.bottom, chunk.bytes, *_words(chunk.sha256)])
    rows = mesh.add([table.to(mesh.device)])[0].tolist()
    return [
        Chunk(top=top, bottom=bottom, bytes=size, sha256=_hex(words))
        for top, bottom, size, *words in rows
    ]


def read_rows(
    get: Get, manifest: Manifest, top: int, bottom: int, device: torch.device
) -> dict[str, Tensor]:
    """Rows ``[top, bottom)`` of the state's tensors, each ``(1, 3, bottom - top, width)``.

    Only chunks with such rows are read, one at a time.

    Raises:
        InvalidInput: a chunk is missing, damaged, or not what the manifest says.
        Unavailable: the store cannot be read now.
    """
    header = manifest.header
    if not 0 <= top <= bottom <= header.height:
        raise ValueError(f"rows {top} to {bottom} are not in a picture of {header.height} rows")
    found = {
        name: torch.empty(
            (1, 3, bottom - top, header.width), dtype=getattr(torch, dtype), device=device
        )
        for name, dtype in header.tensors.items()
    }
    for chunk in manifest.chunks:
        upper, lower = max(top, chunk.top), min(bottom, chunk.bottom)
        if upper >= lower:
            continue
        for name, part in _chunk(get, header, chunk).items():
            rows = part[:, :, upper - chunk.top : lower - chunk.top]
            found[name][:, :, upper - top : lower - top].copy_(rows)
    return found


def _put_chunk(
    header: Header, tensors: Mapping[str, Tensor], top: int, cut: tuple[int, int], put: Put
) -> Chunk:
    begin, end = cut
    parts = {
        name: one.detach()[:, :, begin:end].to("cpu", memory_format=torch.contiguous_format, copy=True)
        for name, one in tensors.items()
    }
    # One key only: safetensors writes several in no fixed order, and names are made of bytes.
    data = bytes(save(parts, {"of": f"{header.stamp}, row {top + begin}"}))
    return Chunk(top=top + begin, bottom=top + end, sha256=put(data), bytes=len(data))


def _chunk(get: Get, header: Header, chunk: Chunk) -> dict[str, Tensor]:
    where = f"rows {chunk.top} to {chunk.bottom}"
    try:
        parts = load(fetch(get, chunk.sha256))
    except SafetensorError as error:
        raise unreadable(f"{where}: {error}") from None
    shape = (1, 3, chunk.bottom - chunk.top, header.width)
    if dtypes_of(parts) != header.tensors or any(one.shape != shape for one in parts.values()):
        raise unreadable(f"{where} are not what its manifest says")
    return parts


def _cuts(height: int, step: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, height, step):
        yield begin, min(height, begin + step)


def _words(sha: str) -> list[int]:
    """A sha256 as four signed 64-bit numbers."""
    data = bytes.fromhex(sha)
    return [int.from_bytes(data[at : at + 8], signed=True) for at in range(0, 8 * _WORDS, 8)]


def _hex(words: Sequence[int]) -> str:
    return b"".join(word.to_bytes(8, signed=True) for word in words).hex()
