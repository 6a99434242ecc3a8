"""What a checkpoint says about itself: a small blob that names the blobs its pixels lie in.

A checkpoint is chunks, each some rows of every tensor of a run's state, and one manifest that is put
last. Putting it is the publication: an interruption before leaves chunks that nobody names, and the
checkpoint before untouched. There is no torch here: the dispatcher, which deletes them, has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from farm.errors import Damaged, InvalidInput, NotFound
from farm.spec.base import Value

Get = Callable[[str], bytes]
"""The bytes of a sha256, verified: ``BlobStore.get``."""
Put = Callable[[bytes], str]
"""Keeps bytes and returns their sha256: ``BlobStore.put``."""
Dtype = Literal["float16", "bfloat16", "float32", "float64"]


class Chunk(Value):
    """Rows ``[top, bottom)`` of every tensor, and the blob they lie in."""

    top: int = Field(ge=0)
    bottom: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)


class Header(Value):
    """Everything about a run's state but its pixels; the same on every rank.

    Args:
        owner: task and attempt. It is in every blob, so that no two runs share one: in a store that
            names blobs by their bytes the checkpoint of one could not be deleted without the other's.
        height: pixels of the whole picture, as ``width``.
        scale: its number in the pyramid, from 1.
        iteration: iterations of that scale that are done.
        tensors: names of the state's tensors and their dtypes; each is ``(1, 3, height, width)``.
        counters: the state's plain numbers, kept exactly.
        generator: ``torch.Generator.get_state()`` as bytes, for runs that draw numbers.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    owner: str
    optimiser: Literal["adam", "lbfgs"]
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    scale: int = Field(ge=1)
    iteration: int = Field(ge=0)
    tensors: dict[str, Dtype] = Field(min_length=1)
    counters: dict[str, int | float] = Field(default_factory=dict)
    precision: str = "float32"
    extractor: str = ""
    seed: int = 0
    generator: bytes | None = None

    @property
    def stamp(self) -> str:
        """Written into every chunk, so that not even two checkpoints of one run share a blob."""
        return f"{self.owner}, scale {self.scale}, iteration {self.iteration}"


class Manifest(Value):
    """A header and the chunks that hold the picture's rows without gap or overlap, from the top."""

    format: Literal["farm checkpoint 2"] = "farm checkpoint 2"
    header: Header
    chunks: tuple[Chunk, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _covers_every_row_once(self) -> Self:
        if any(chunk.bottom <= chunk.top for chunk in self.chunks):
            raise ValueError("a chunk has no rows")
        edges = (self.chunks[0].top, self.chunks[-1].bottom)
        gaps = any(above.bottom != below.top for above, below in pairwise(self.chunks))
        if gaps or edges != (0, self.header.height):
            raise ValueError("its chunks do not hold every row once")
        return self


def publish(header: Header, chunks: Iterable[Chunk], put: Put) -> str:
    """Put the manifest of chunks that are all in the store; returns its sha256, the checkpoint's name.

    Raises:
        ValueError: the chunks, in any order, do not hold every row once.
        Unavailable: the store cannot be written; nothing is published.
    """
    manifest = Manifest(header=header, chunks=tuple(sorted(chunks, key=lambda chunk: chunk.top)))
    facts = manifest.model_dump(mode="json")
    return put(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode())


def read_manifest(get: Get, sha: str) -> Manifest:
    """The manifest of that name.

    Raises:
        InvalidInput: it is not there, damaged, or no manifest of this format.
        Unavailable: the store cannot be read now.
    """
    try:
        return Manifest.model_validate_json(fetch(get, sha))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "manifest"
        raise unreadable(f"{place}: {first['msg']}") from None


def blobs_of(get: Get, sha: str) -> list[str]:
    """Every blob of a checkpoint in the order to delete them in: the manifest last.

    A deletion that breaks off can then be begun again. What is no manifest, or is damaged, names
    nothing but itself.

    Raises:
        Unavailable: the store cannot be read now.
    """
    try:
        chunks = read_manifest(get, sha).chunks
    except InvalidInput:
        return [sha]
    return [*(chunk.sha256 for chunk in chunks), sha]


def fetch(get: Get, sha: str) -> bytes:
    """A blob that a checkpoint cannot do without.

    Raises:
        InvalidInput: it is not there or damaged, so the checkpoint is of no use.
        Unavailable: the store cannot be read now.
    """
    try:
        return get(sha)
    except NotFound:
        raise unreadable(f"blob {sha} is not in the store") from None
    except Damaged:
        raise unreadable(f"blob {sha} is damaged") from None


def unreadable(reason: str) -> InvalidInput:
    """The checkpoint is of no use, for that reason."""
    return InvalidInput(
        f"checkpoint: cannot be read ({reason}); retry the job without it.", field="checkpoint"
    )
