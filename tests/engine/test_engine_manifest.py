"""Manifests: all facts come back, harm is refused in a sentence, and deletion takes what is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from checkpoint_cases import CPU, HEIGHT, Shelf, cut, header, same, state, written
from engine_cases import few
from hypothesis import given
from hypothesis import strategies as st

from farm.engine.checkpoint import read_rows, write_rows
from farm.engine.manifest import Chunk, Header, blobs_of, publish, read_manifest
from farm.errors import InvalidInput, Unavailable
from farm.store import BlobStore


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path))


def test_all_facts_come_back_exactly(store: BlobStore) -> None:
    found = read_manifest(store.get, written(store, header())).header
    assert found == header()
    kinds = {name: type(value) for name, value in found.counters.items()}
    assert kinds == {"step": int, "rate": float, "whole": float}


def test_a_generator_goes_on_where_it_was(store: BlobStore) -> None:
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    kept = header().model_copy(update={"generator": bytes(generator.get_state().numpy())})
    wanted = torch.rand(5, generator=generator)
    found = read_manifest(store.get, written(store, kept)).header.generator
    assert found is not None
    again = torch.Generator()
    again.set_state(torch.frombuffer(bytearray(found), dtype=torch.uint8))
    assert torch.equal(torch.rand(5, generator=again), wanted)


@pytest.mark.parametrize(
    "rows", [[(0, 5), (6, 11)], [(0, 6), (5, 11)], [(0, 10)], [(1, 11)], [(0, 6), (6, 6), (6, 11)], []]
)
def test_chunks_with_gaps_are_not_published(rows: list[tuple[int, int]]) -> None:
    shelf = Shelf()
    chunks = [Chunk(top=top, bottom=bottom, sha256="0" * 64, bytes=1) for top, bottom in rows]
    with pytest.raises(ValueError, match=r"every row once|no rows|at least 1"):
        publish(header(), chunks, shelf.put)
    assert shelf.blobs == []


def refused(store: BlobStore, sha: str) -> str:
    """Reads all of a checkpoint, which fails; returns the sentence."""
    with pytest.raises(
        InvalidInput, match=r"^checkpoint: cannot be read \(.*\); retry the job"
    ) as info:
        read_rows(store.get, read_manifest(store.get, sha), 0, HEIGHT, CPU)
    assert info.value.field == "checkpoint"
    assert "\n" not in info.value.message
    return info.value.message


def file_of(store: BlobStore, sha: str) -> Path:
    return Path(store.url) / "sha256" / sha[:2] / sha


@pytest.mark.parametrize("which", [0, 1, -1], ids=["first chunk", "second chunk", "manifest"])
@pytest.mark.parametrize("harm", ["cut", "flip", "lose"])
def test_harm_to_any_blob_is_noticed(store: BlobStore, which: int, harm: str) -> None:
    name = written(store, header())
    path = file_of(store, blobs_of(store.get, name)[which])
    data = path.read_bytes()
    if harm == "lose":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if harm == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert ("not in the store" if harm == "lose" else "is damaged") in refused(store, name)


def test_rows_without_harm_can_still_be_read(store: BlobStore) -> None:
    name = written(store, header())
    manifest = read_manifest(store.get, name)
    file_of(store, manifest.chunks[0].sha256).unlink()
    top = manifest.chunks[0].bottom
    assert same(read_rows(store.get, manifest, top, HEIGHT, CPU), cut(state(), top, HEIGHT))


@few
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=50).map(str.encode)))
def test_noise_is_no_manifest(data: bytes) -> None:
    shelf = Shelf()
    sha = shelf.put(data)
    with pytest.raises(InvalidInput, match=r"^checkpoint: cannot be read"):
        read_manifest(shelf.get, sha)
    assert blobs_of(shelf.get, sha) == [sha]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "farm checkpoint 1"),
        ("header.tensors", {"t0": "int64"}),
        ("header.optimiser", "sgd"),
        ("header.height", HEIGHT + 1),
        ("header.counters", {"step": "many"}),
        ("chunks.0.sha256", "../../etc/passwd"),
        ("chunks.1.top", 3),
        ("chunks", []),
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(store: BlobStore, path: str, value: object) -> None:
    facts = json.loads(store.get(written(store, header())))
    *way, last = path.split(".")
    place = facts
    for part in way:
        place = place[int(part) if part.isdigit() else part]
    place[last] = value
    assert refused(store, store.put(json.dumps(facts).encode()))


@pytest.mark.parametrize("what", ["another picture's", "another state's", "no tensors"])
def test_chunks_of_something_else_are_refused(store: BlobStore, what: str) -> None:
    manifest = read_manifest(store.get, written(store, header()))
    narrow = header().model_copy(update={"width": 3})
    other = header().model_copy(update={"tensors": {"t0": "float32"}})
    data = {
        "another picture's": lambda: (
            write_rows(narrow, {n: one[:, :, :4, :3] for n, one in state().items()}, 0, store.put)[
                0
            ].sha256
        ),
        "another state's": lambda: (
            write_rows(other, {"t0": state()["t0"][:, :, :4]}, 0, store.put)[0].sha256
        ),
        "no tensors": lambda: store.put(b"a picture, perhaps"),
    }
    foreign = manifest.chunks[0].model_copy(update={"sha256": data[what]()})
    wrong = publish(manifest.header, [foreign, *manifest.chunks[1:]], store.put)
    assert "rows 0 to 4" in refused(store, wrong)


class Breaks(BlobStore):
    """Takes ``room`` more blobs, then breaks off."""

    room = 0

    def put(self, data: bytes) -> str:
        if not self.room:
            raise Unavailable("store: gone.")
        self.room -= 1
        return super().put(data)


@pytest.mark.parametrize("room", range(5))
def test_an_interruption_before_the_manifest_leaves_the_old_checkpoint(
    store: BlobStore, room: int
) -> None:
    old = written(store, header(iteration=5))
    breaking = Breaks(store.url)
    breaking.room = room  # of four chunks and a manifest
    with pytest.raises(Unavailable):
        written(breaking, header(iteration=6), seed=9, rows=4)
    manifest = read_manifest(store.get, old)
    assert same(read_rows(store.get, manifest, 0, HEIGHT, CPU), state())
    assert manifest.header.iteration == 5


def kept(store: BlobStore) -> set[str]:
    return {path.name for path in (Path(store.url) / "sha256").glob("*/*")}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(header(owner="t1 attempt 2"), id="the next attempt's"),
        pytest.param(header(iteration=6), id="the next iteration's"),
    ],
)
def test_deleting_a_checkpoint_leaves_its_twin_whole(store: BlobStore, other: Header) -> None:
    """Even where the state is the same to the last bit."""
    first, second = written(store, header()), written(store, other)
    assert len(kept(store)) == 2 * 5, "chunks and manifests of their own"
    blobs = blobs_of(store.get, first)
    assert blobs[-1] == first
    for blob in blobs:
        store.delete(blob)
    assert kept(store) == set(blobs_of(store.get, second))
    manifest = read_manifest(store.get, second)
    assert same(read_rows(store.get, manifest, 0, HEIGHT, CPU), state())


def test_a_deletion_that_broke_off_can_be_begun_again(store: BlobStore) -> None:
    name = written(store, header())
    store.delete(blobs_of(store.get, name)[0])
    for blob in blobs_of(store.get, name):
        store.delete(blob)
    assert kept(store) == set()


def test_what_is_gone_names_only_itself(store: BlobStore) -> None:
    assert blobs_of(store.get, "0" * 64) == ["0" * 64]


def test_a_store_that_does_not_work_is_no_reason_to_start_over() -> None:
    def get(sha: str) -> bytes:
        raise Unavailable("store: no network; wait.")

    for call in (read_manifest, blobs_of):
        with pytest.raises(Unavailable, match="no network"):
            call(get, "0" * 64)
