"""``farm store sweep`` takes what no job names, and nothing of another farm's or in doubt."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farm import settings
from farm.clock import SystemClock
from farm.engine.manifest import Chunk, Header, publish
from farm.queue import SqlQueue, open_queue
from farm.spec import parse_job
from farm.spec.event import Artefact, Checkpointed, Done, Rendition
from farm.store import BlobStore

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@dataclass
class Site:
    """A farm's database and store; names of its blobs by what they are."""

    queue: SqlQueue
    store: BlobStore
    blobs: dict[str, str]

    def put(self, name: str, data: bytes = b"") -> str:
        self.blobs[name] = self.store.put(data or name.encode())
        return self.blobs[name]

    def age(self, hours: float) -> None:
        then = time.time() - hours * 3600
        for path in Path(self.store.url).glob("*/**/*"):
            os.utime(path, (then, then))

    def left(self) -> set[str]:
        files = {path.name for path in Path(self.store.url).glob("sha256/*/*")}
        return {name for name, sha in self.blobs.items() if sha in files}


@pytest.fixture
def site() -> Site:
    chosen = settings.load()
    return Site(open_queue(chosen.database_url, SystemClock()), BlobStore(chosen.store_url), {})


@pytest.fixture
def worked(site: Site) -> Site:
    """A job that is done and one that was lost in the middle, with all that they left."""
    for job in ("done", "begun"):
        spec = {"farm": 1, "kind": "print", "styles": [{"name": "x"}], "output": {"long_edge": 99}}
        site.queue.add(job, parse_job({**spec, "content": f"sha256:{site.put(f'content of {job}')}"}))
        lease = site.queue.claim("w1", 3600)
        assert lease
        for number in ("first", "last"):
            chunk = site.put(f"chunk of the {number} of {job}")
            name = f"{number} checkpoint of {job}"
            header = Header(
                owner=name, optimiser="adam", height=9, width=9, scale=1, iteration=1,
                tensors={"image": "float32"},
            )  # fmt: skip
            whole = Chunk(top=0, bottom=9, sha256=chunk, bytes=1)
            site.blobs[name] = publish(header, [whole], site.store.put)
            mark = Checkpointed(task=lease.task, attempt=1, blob=site.blobs[name], scale=1, iteration=1)
            site.queue.checkpoint(lease, mark)
        picture = artefact(site.put(f"rendition of {job}"))
        site.queue.record(lease, Rendition(fidelity="scale", width=9, height=9, picture=picture))
        if job == "done":
            site.queue.complete(lease, Done(artefacts=(artefact(site.put("result of done")),)))
    site.put("never ordered")
    (Path(site.store.url) / "tmp" / "broken-off").write_bytes(b"half")
    return site


def artefact(sha: str) -> Artefact:
    return Artefact(name="a.png", blob=sha, media_type="image/png", bytes=1)


WANTED = {
    "content of done", "content of begun", "rendition of done", "rendition of begun",
    "result of done", "last checkpoint of begun", "chunk of the last of begun",
}  # fmt: skip


def test_what_no_job_names_goes(worked: Site, farm: Farm, capsys: Captured) -> None:
    before = worked.left()
    worked.age(hours=25)
    assert farm("store", "sweep", "--dry-run", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["dry_run"], worked.left()) == (True, before)
    assert farm("store", "sweep", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {**said, "dry_run": False}
    assert worked.left() == WANTED
    assert said["blobs"]["files"] == len(before - WANTED)
    assert said["unfinished"] == {"files": 1, "bytes": 4}
    assert said["kept"] == {"named": len(WANTED), "young": 0}
    assert list((Path(worked.store.url) / "tmp").iterdir()) == []


def test_what_is_young_stays(worked: Site, farm: Farm, capsys: Captured) -> None:
    before = worked.left()
    worked.age(hours=23)
    assert farm("store", "sweep") == 0
    assert worked.left() == before
    assert "Removed 0 blobs" in capsys.readouterr().err
    assert farm("store", "sweep", "--older-than", "22h") == 0
    assert worked.left() == WANTED


def test_another_farms_store_is_left_alone(site: Site, farm: Farm, capsys: Captured) -> None:
    site.put("somebody's")
    site.age(hours=99)
    assert farm("store", "sweep") == 2
    assert "names none of the 1 blobs" in capsys.readouterr().err
    assert site.left() == {"somebody's"}


@pytest.mark.parametrize("age", ["0h", "59m", "1.5h", "", "-1d", "yesterday"])
def test_an_age_must_be_one(age: str, farm: Farm, capsys: Captured) -> None:
    assert farm("store", "sweep", f"--older-than={age}") == 2
    assert "e.g. 36h or 7d" in capsys.readouterr().err


def test_what_is_not_there_is_not_swept(
    farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert farm("store", "sweep") == 4
    assert "no blobs in" in capsys.readouterr().err
    BlobStore(settings.load().store_url).put(b"x")
    assert farm("store", "sweep") == 4
    assert "database: there is none" in capsys.readouterr().err
    monkeypatch.setenv("FARM_STORE", "memory://store")
    assert farm("store", "sweep") == 2
    assert "is no folder" in capsys.readouterr().err
