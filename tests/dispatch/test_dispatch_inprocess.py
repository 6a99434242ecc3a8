"""Prints in this process, and what they leave on disk when they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dispatch_cases import RIGHTS, png

from farm.catalog import Catalogue
from farm.dispatch.inprocess import devices_for, render_file
from farm.errors import FarmError, InvalidInput, Unavailable
from farm.imaging.decode import inspect
from farm.spec import Event, Job, parse_job
from farm.spec.event import Progress, Started


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "content.png").write_bytes(png())
    (folder / "style.png").write_bytes(png(seed=5))
    (folder / "broken.png").write_bytes(png()[:200])
    return folder


def job(folder: Path, **changes: Any) -> Job:
    spec = {
        "farm": 1, "kind": "print", "content": str(folder / "content.png"),
        "styles": [{"image": str(folder / "style.png"), "rights": RIGHTS}],
        "output": {"long_edge": 64}, "quality": {"preset": "draft"},
        "engine": {"precision": "float32"},
    }  # fmt: skip
    return parse_job({**spec, **changes})


@pytest.mark.parametrize("kind", ["print", "preview"])
def test_it_writes_the_picture_and_nothing_else(
    tiny_models: Path, pictures: Path, tmp_path: Path, kind: str
) -> None:
    out, events = tmp_path / "out" / "a.tif", list[Event]()
    out.parent.mkdir()
    done = render_file(
        job(pictures, kind=kind), out, catalogue=Catalogue(tiny_models), on_progress=events.append
    )
    info = inspect(out)
    assert (info.format, info.width, info.height, info.bits) == ("tiff", 64, 53, 16)
    assert events[-1] == done
    assert out.stat().st_size == done.artefacts[0].bytes
    assert [path.name for path in out.parent.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(("kind", "devices"), [("print", 3), ("preview", 1)])
def test_a_print_runs_on_as_many_devices_as_it_asks_for(
    tiny_models: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str,
    devices: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    asked = job(pictures, kind=kind, engine={"precision": "float32", "devices": 3})
    out, events = tmp_path / "a.tif", list[Event]()
    done = render_file(asked, out, catalogue=Catalogue(tiny_models), on_progress=events.append)
    assert [event.devices for event in events if isinstance(event, Started)] == [devices]
    assert [event.kind for event in events].count("done") == 1
    assert out.stat().st_size == done.artefacts[0].bytes


@pytest.mark.parametrize(
    ("gpus", "cores", "there"),
    [(0, 2, "2 processor cores"), (0, 1, "1 processor core"), (2, 64, "2 GPUs")],
)
def test_more_devices_than_there_are_is_refused_before_the_work(
    tiny_models: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int,
    cores: int, there: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    asked = job(pictures, engine={"devices": 3})
    said = f"engine.devices: 3 are asked for, and this machine has {there}; ask for at most {there[0]}."
    with pytest.raises(InvalidInput) as caught:
        render_file(asked, tmp_path / "a.tif", catalogue=Catalogue(tiny_models), on_progress=print)
    assert (caught.value.message, caught.value.field) == (said, "engine.devices")


@pytest.mark.parametrize(("gpus", "devices"), [(0, ["cpu", "cpu"]), (4, ["cuda:0", "cuda:1"])])
def test_gpus_come_before_the_processor(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, devices: list[str]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert [str(device) for device in devices_for(job(pictures, engine={"devices": 2}))] == devices


def test_the_same_job_makes_the_same_bytes(tiny_models: Path, pictures: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for out in files:
        render_file(
            job(pictures), out, catalogue=Catalogue(tiny_models), on_progress=lambda event: None
        )
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_folder_that_is_not_there_is_found_before_the_work(
    tiny_models: Path, pictures: Path, tmp_path: Path
) -> None:
    seen: list[Event] = []
    with pytest.raises(Unavailable, match="cannot be written"):
        render_file(
            job(pictures), tmp_path / "no" / "such" / "a.tif", catalogue=Catalogue(tiny_models),
            on_progress=seen.append,
        )  # fmt: skip
    assert seen == []


def test_a_folder_is_no_file(tiny_models: Path, pictures: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    with pytest.raises(InvalidInput, match="is a folder"):
        render_file(job(pictures), tmp_path, catalogue=Catalogue(tiny_models), on_progress=seen.append)
    assert seen == [], "found only after the work"


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "broken.png"},
        {"content": "missing.png"},
        {"styles": [{"image": "broken.png", "rights": RIGHTS}]},
        {"styles": [{"name": "no-such-style"}]},
    ],
)
def test_bad_input_leaves_the_old_file_as_it_was(
    tiny_models: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.chdir(pictures)
    out = tmp_path / "out" / "a.tif"
    out.parent.mkdir()
    out.write_bytes(b"precious")
    with pytest.raises(FarmError):
        render_file(
            job(pictures, **changes), out, catalogue=Catalogue(tiny_models),
            on_progress=lambda event: None,
        )  # fmt: skip
    assert [path.name for path in out.parent.iterdir()] == ["a.tif"]
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize("devices", [1, 2])
def test_an_interrupt_leaves_nothing_half_written(
    tiny_models: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    asked = job(pictures, engine={"precision": "float32", "devices": devices})
    out = tmp_path / "out" / "a.tif"
    out.parent.mkdir()

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_file(asked, out, catalogue=Catalogue(tiny_models), on_progress=interrupt)
    assert list(out.parent.iterdir()) == []
