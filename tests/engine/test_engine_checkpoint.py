"""A state's rows: written by the bands of one layout, read by those of another."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from checkpoint_cases import CPU, HEIGHT, WIDTH, Shelf, bands, cut, header, same, state, written
from engine_cases import few
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from farm.engine.checkpoint import gather, read_rows, rows_per_chunk, write_rows
from farm.engine.manifest import Chunk, publish, read_manifest
from farm.engine.mesh import Mesh
from farm.engine.threads import spmd
from farm.store import BlobStore


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path))


@few
@given(
    old=st.lists(st.integers(0, HEIGHT), max_size=4),
    new=st.lists(st.integers(0, HEIGHT), max_size=4),
    rows=st.integers(1, HEIGHT + 2),
)
def test_any_layout_reads_what_another_wrote(old: list[int], new: list[int], rows: int) -> None:
    shelf, tensors, chunks = Shelf(), state(), []
    for top, bottom in bands(old):
        chunks += write_rows(header(), cut(tensors, top, bottom), top, shelf.put, rows)
    manifest = read_manifest(shelf.get, publish(header(), chunks, shelf.put))
    for top, bottom in bands(new):
        assert same(read_rows(shelf.get, manifest, top, bottom, CPU), cut(tensors, top, bottom))


def test_a_checkpoint_does_not_change_with_the_run(store: BlobStore) -> None:
    tensors = state()
    chunks = write_rows(header(), tensors, 0, store.put)
    for one in tensors.values():
        one.zero_()
    manifest = read_manifest(store.get, publish(header(), chunks, store.put))
    assert same(read_rows(store.get, manifest, 0, HEIGHT, CPU), state())


def test_only_chunks_with_wanted_rows_are_read() -> None:
    shelf = Shelf()
    manifest = read_manifest(shelf.get, written(shelf, header(), rows=3))
    assert [(chunk.top, chunk.bottom) for chunk in manifest.chunks] == [(0, 3), (3, 6), (6, 9), (9, 11)]
    shelf.asked.clear()
    read_rows(shelf.get, manifest, 4, 9, CPU)
    assert shelf.asked == [chunk.sha256 for chunk in manifest.chunks[1:3]]


def test_chunks_are_as_large_as_allowed_and_not_larger() -> None:
    row = 3 * WIDTH * (4 + 2 + 2 + 8)
    assert rows_per_chunk(state()) == (64 << 20) // row
    assert rows_per_chunk(state(), 5 * row - 1) == 4
    assert rows_per_chunk(state(), 1) == 1


def test_channels_last_tensors_are_kept_as_their_values(store: BlobStore) -> None:
    tensors = {name: one.to(memory_format=torch.channels_last) for name, one in state().items()}
    manifest = read_manifest(
        store.get, publish(header(), write_rows(header(), tensors, 0, store.put), store.put)
    )
    assert same(read_rows(store.get, manifest, 0, HEIGHT, CPU), state())


def test_the_same_state_has_the_same_name(store: BlobStore, tmp_path: Path) -> None:
    assert written(store, header()) == written(BlobStore(str(tmp_path / "other")), header())


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"t0": torch.zeros(1, 3, 2, WIDTH)}, id="too few"),
        pytest.param({**cut(state(), 0, 2), "t0": torch.zeros(1, 3, 2, WIDTH).double()}, id="dtype"),
        pytest.param(cut(state(height=HEIGHT + 1), 0, HEIGHT + 1), id="too high"),
        pytest.param({n: one[..., :-1] for n, one in state().items()}, id="too narrow"),
        pytest.param({**cut(state(), 0, 2), "t1": state()["t1"]}, id="of two heights"),
    ],
)
def test_a_state_that_is_not_the_headers_is_not_written(wrong: dict[str, Tensor]) -> None:
    shelf = Shelf()
    with pytest.raises(ValueError, match=r"header|picture|unpack"):
        write_rows(header(), wrong, 0, shelf.put)
    assert shelf.blobs == []


@pytest.mark.parametrize("edges", [(0, 11), (0, 4, 11), (0, 4, 4, 11), (0, 0, 0)])
def test_every_rank_learns_of_all_chunks(store: BlobStore, edges: tuple[int, ...]) -> None:
    """Also where some ranks have no rows, or all of them have none."""

    def work(mesh: Mesh) -> tuple[list[Chunk], list[Chunk]]:
        top, bottom = edges[mesh.rank : mesh.rank + 2]
        own = write_rows(header(), cut(state(), top, bottom), top, store.put, 3)
        return own, gather(mesh, own)

    found = spmd([CPU] * (len(edges) - 1), work, threads_per_rank=1)
    wanted = [chunk for own, _ in found for chunk in own]
    assert all(gathered == wanted for _, gathered in found)
    assert len(wanted) == sum(-(-(bottom - top) // 3) for top, bottom in pairwise(edges))
