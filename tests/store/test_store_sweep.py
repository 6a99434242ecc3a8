"""A sweep removes what is old and unwanted, and gives way to whoever wants it after all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.store import BlobStore
from farm.store.sweep import Listing, Removed, listing, remove

EDGE = time.time() - 86_400


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path))


def changed(path: Path, at: float) -> Path:
    os.utime(path, (at, at))
    return path


def kept(store: BlobStore, data: bytes, at: float = EDGE - 1) -> Path:
    sha = store.put(data)
    return changed(Path(store.url) / "sha256" / sha[:2] / sha, at)


def test_only_what_is_old_is_listed(store: BlobStore, tmp_path: Path) -> None:
    old, young = kept(store, b"old"), kept(store, b"young", EDGE)
    stranger, broken, under_way = old.with_name("notes"), tmp_path / "tmp" / "a", tmp_path / "tmp" / "b"
    for path, at in ((stranger, EDGE - 1), (broken, EDGE - 1), (under_way, EDGE)):
        path.write_bytes(b"half")
        changed(path, at)
    found = listing(tmp_path, EDGE)
    assert found == Listing((old,), frozenset({young.name}), (broken,))


def test_what_is_removed_is_counted(store: BlobStore, tmp_path: Path) -> None:
    path = kept(store, b"old")
    assert remove([path], tmp_path, EDGE, dry_run=True) == Removed(1, 3)
    assert path.exists()
    assert remove([path], tmp_path, EDGE) == Removed(1, 3)
    assert remove([path], tmp_path, EDGE) == Removed(0, 0)
    assert not store.has(path.name)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "want",
    [lambda store, path: store.put(b"old"), lambda store, path: store.has(path.name)],
    ids=["put again", "asked for"],
)
def test_a_blob_that_is_wanted_again_stays(
    store: BlobStore, tmp_path: Path, want: Callable[[BlobStore, Path], object]
) -> None:
    path = kept(store, b"old")
    (found,) = listing(tmp_path, EDGE).old
    want(store, path)
    assert remove([found], tmp_path, EDGE) == Removed(0, 0)
    assert store.get(path.name) == b"old"
    assert list((tmp_path / "tmp").iterdir()) == []
