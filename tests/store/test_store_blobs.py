"""Blobs are named by their bytes, appear whole, and say in one sentence what is wrong."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from farm.errors import Damaged, InvalidInput, NotFound, TooLarge, Unavailable
from farm.store import BlobStore

DATA = b"a picture, in bytes"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["folder", "file-url", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    memory = MemoryFileSystem()
    urls = {
        "folder": str(tmp_path / "store"),
        "file-url": f"file://{tmp_path}/store",
        "memory": "memory://store",
    }
    yield BlobStore(urls[request.param])
    if memory.exists("/store"):
        memory.rm("/store", recursive=True)


def debris(store: BlobStore) -> list[str]:
    fs, root = store._fs, store._root
    return [str(path) for path in fs.find(f"{root}/tmp")] if fs.exists(root) else []


def test_put_then_get_gives_the_bytes_back(store: BlobStore) -> None:
    assert not store.has(SHA)
    assert store.put(DATA) == SHA
    assert store.has(SHA)
    assert store.get(SHA) == DATA
    assert store.size(SHA) == len(DATA)
    with store.open(SHA) as source:
        assert source.read(2) == DATA[:2]
    assert debris(store) == []


def test_a_blob_lies_where_its_name_says(tmp_path: Path) -> None:
    BlobStore(str(tmp_path)).put(DATA)
    assert (tmp_path / "sha256" / SHA[:2] / SHA).read_bytes() == DATA


def test_another_store_on_the_same_place_sees_it(store: BlobStore) -> None:
    store.put(DATA)
    assert BlobStore(store.url).get(SHA) == DATA


def test_a_blob_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    store.put(DATA)
    blob = tmp_path / "sha256" / SHA[:2] / SHA
    inode = blob.stat().st_ino
    store.put(DATA)
    with store.writer() as upload:
        upload.write(DATA)
    assert blob.stat().st_ino == inode
    assert debris(store) == []


def test_put_file_streams_a_local_file(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    assert store.put_file(tmp_path / "a.bin") == SHA
    with pytest.raises(NotFound, match=r"b\.bin: no such file"):
        store.put_file(tmp_path / "b.bin")
    with pytest.raises(Unavailable, match="cannot be read"):
        store.put_file(tmp_path)


def test_the_writer_hashes_what_passes(store: BlobStore) -> None:
    with store.writer(max_bytes=len(DATA)) as upload:
        upload.write(DATA[:5])
        with pytest.raises(ValueError, match="only when its upload has ended"):
            _ = upload.sha256
        upload.write(memoryview(DATA)[5:])
    assert upload.sha256 == SHA
    assert store.get(SHA) == DATA


def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(store: BlobStore) -> None:
    with pytest.raises(TooLarge, match="limit of 18 bytes"), store.writer(max_bytes=18) as upload:
        upload.write(DATA)
    assert not store.has(SHA)
    assert debris(store) == []


def test_an_upload_that_breaks_off_leaves_nothing(store: BlobStore) -> None:
    def interrupted() -> None:
        with store.writer() as upload:
            upload.write(DATA)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not store.has(SHA)
    assert debris(store) == []


def test_fetch_copies_to_a_local_file(store: BlobStore, tmp_path: Path) -> None:
    store.put(DATA)
    target = tmp_path / "out.bin"
    target.write_bytes(b"older")
    store.fetch(SHA, target)
    assert target.read_bytes() == DATA
    with pytest.raises(Unavailable, match=r"missing/out\.bin: cannot be written"):
        store.fetch(SHA, tmp_path / "missing" / "out.bin")


@pytest.mark.parametrize("call", ["get", "open", "size", "fetch"])
def test_a_missing_blob_is_not_found(store: BlobStore, tmp_path: Path, call: str) -> None:
    arguments: tuple[Any, ...] = (SHA, tmp_path / "x") if call == "fetch" else (SHA,)
    with pytest.raises(NotFound, match=SHA):
        getattr(store, call)(*arguments)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["", "abc", SHA.upper(), SHA + "0", "../" + SHA[3:], SHA + "\n"])
def test_what_is_no_sha256_is_invalid(store: BlobStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a sha256"):
        store.get(name)
    with pytest.raises(InvalidInput, match="is not a sha256"):
        store.has(name)


def test_damaged_bytes_are_never_handed_out(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path / "store"))
    store.put(DATA)
    (tmp_path / "store" / "sha256" / SHA[:2] / SHA).write_bytes(DATA[:-1])
    with pytest.raises(Damaged, match=rf"blob {SHA} is damaged"):
        store.get(SHA)
    with pytest.raises(Damaged, match=rf"blob {SHA} is damaged"):
        store.fetch(SHA, tmp_path / "out.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = BlobStore(str(tmp_path / "file" / "store"))
    for attempt in (store.check, lambda: store.put(DATA)):
        with pytest.raises(Unavailable, match=r"file/store: cannot be written \(.+\); make room"):
            attempt()


def test_check_passes_and_leaves_nothing(store: BlobStore) -> None:
    store.check()
    assert debris(store) == []


@pytest.mark.parametrize("url", ["nonsense://bucket", "sha256://x"])
def test_an_unknown_scheme_is_invalid(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^store: .*cannot be opened"):
        BlobStore(url)


class FullFile:
    """A local file on a disk that takes ``room`` bytes and no more."""

    def __init__(self, file: Any, room: int) -> None:
        self._file = file
        self._room = room

    def write(self, data: Any) -> int:
        if len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= len(data)
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class FullDisk(LocalFileSystem):  # type: ignore[misc]
    """A local file system without room."""

    room = 10

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super().open(path, mode, **options)
        return FullFile(file, self.room) if "w" in mode else file


def test_a_full_disk_is_one_sentence_and_no_debris(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    store._fs = FullDisk()
    with pytest.raises(Unavailable) as caught:
        store.put(DATA)
    assert caught.value.message == (
        f"store {tmp_path}: cannot be written (No space left on device); "
        "make room there, or set FARM_STORE to a place that may be written to."
    )
    assert not store.has(SHA)
    assert debris(store) == []


def test_a_full_disk_fails_the_check(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    store._fs = FullDisk(skip_instance_cache=True)
    store._fs.room = 0
    with pytest.raises(Unavailable, match="No space left on device"):
        store.check()
    assert debris(store) == []


def test_the_same_bytes_from_many_threads_are_one_blob(store: BlobStore) -> None:
    start, failures = threading.Barrier(4), []

    def put() -> None:
        start.wait()
        try:
            assert store.put(DATA) == SHA
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.get(SHA) == DATA
    assert debris(store) == []


def test_two_uploads_of_the_same_bytes_may_overlap(store: BlobStore) -> None:
    with store.writer() as first, store.writer() as second:
        first.write(DATA)
        second.write(DATA)
    assert first.sha256 == second.sha256 == SHA
    assert store.get(SHA) == DATA
    assert debris(store) == []


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    place, away = tmp_path / "store", tmp_path / "away"
    BlobStore(str(place)).put(DATA)
    seen, told, new = BlobStore(str(place)), BlobStore(str(place), used=True), BlobStore(str(place))
    assert seen.has(SHA)
    place.rename(away)
    calls = ("get", "open", "size", "has", "delete")
    for store in (seen, told):
        for call in calls:
            with pytest.raises(Unavailable, match="is away, though it was used before"):
                getattr(store, call)(SHA)
        with pytest.raises(Unavailable, match="is away"):
            store.check()
        with pytest.raises(Unavailable, match="mount it again"):
            store.put(b"other")
    assert not place.exists(), "what is written now would be hidden by the mount"
    with pytest.raises(NotFound):
        new.get(SHA)
    place.mkdir()  # where it was mounted
    with pytest.raises(Unavailable, match="is away"):
        seen.get(SHA)
    place.rmdir()
    away.rename(place)
    assert seen.get(SHA) == told.get(SHA) == DATA
