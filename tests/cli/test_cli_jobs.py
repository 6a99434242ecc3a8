"""Ordering, following and steering jobs against a real gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from farm.cli import view
from farm.clock import ManualClock
from farm.queue import MemoryQueue
from farm.spec import JobState, Lease
from farm.spec.event import Artefact, Done, Progress, Rendition
from farm.store import BlobStore

HEAD = "farm: 1\nkind: print\nstyles: [{name: dots}]\n"
Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


class Running(Protocol):
    """A farm that answers, as the fixture makes it."""

    queue: MemoryQueue
    folder: Path
    clock: ManualClock

    def jobfile(self, style: str = ...) -> str: ...


def finish(running: Running) -> None:
    """Do a worker's part of the newest job."""
    queue = running.queue
    lease = queue.claim("w1", ttl=30)
    assert lease
    blob = BlobStore(str(running.folder / "store")).put(b"final")
    picture = Artefact(name="final.png", blob=blob, media_type="image/png", bytes=5)
    queue.record(
        lease,
        Progress(
            task=lease.task, attempt=1, scale=1, scales=1, width=100, height=75, iteration=1,
            iterations=1, loss=0.5, share=1.0,
        ),
        Rendition(fidelity="final", width=100, height=75, picture=picture, task=lease.task),
    )  # fmt: skip
    queue.complete(lease, Done(artefacts=(picture,), usd=0.01, seconds=2))


def submitted(running: Running, farm: Farm, capsys: Captured, *options: str) -> str:
    assert farm("submit", running.jobfile(), "--json", *options) == 0
    return str(json.loads(capsys.readouterr().out)["id"])


def test_submit_prints_the_id(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("submit", running.jobfile(), "--id", "mine", "--set", "priority=90") == 0
    out, err = capsys.readouterr()
    assert out == "mine\n"
    assert err == "Follow it with: farm watch mine\n"
    assert running.queue.job("mine").priority == 90


def test_the_same_key_makes_one_job(running: Running, farm: Farm, capsys: Captured) -> None:
    first = submitted(running, farm, capsys, "--key", "k1")
    assert submitted(running, farm, capsys, "--key", "k1") == first
    assert len(running.queue.jobs()) == 1


def test_the_same_id_for_another_job_is_a_conflict(
    running: Running, farm: Farm, capsys: Captured
) -> None:
    submitted(running, farm, capsys, "--id", "mine")
    assert farm("submit", running.jobfile(), "--id", "mine", "--set", "priority=1") == 2
    assert "'mine'" in capsys.readouterr().err


def test_watch_follows_a_job_to_its_end(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    finish(running)
    assert farm("watch", job) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "final picture, 100×75" in err
    assert f"farm fetch {job} -o {job}" in err


def test_watch_as_json_lines(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    finish(running)
    assert farm("watch", job, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {"queued", "progress", "rendition", "done"} <= {event["kind"] for event in events}


def test_submit_and_watch_in_one(running: Running, farm: Farm, capsys: Captured) -> None:
    submitted(running, farm, capsys, "--id", "mine")
    finish(running)
    assert farm("submit", running.jobfile(), "--id", "mine", "--watch", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"id": "mine"}
    assert lines[-1]["kind"] in ("done", "rendition")


def test_a_failed_job_is_1(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    lease = running.queue.claim("w1", ttl=30)
    assert lease
    running.queue.fail(lease, "invalid", "the picture is damaged.")
    assert farm("watch", job) == 1
    assert "failed (invalid): the picture is damaged." in capsys.readouterr().err


def test_ctrl_c_leaves_the_job_running(
    running: Running, farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    job = submitted(running, farm, capsys)
    monkeypatch.setattr(view, "watch", interrupted)
    assert farm("watch", job) == 130
    assert f"'farm cancel {job}' stops it." in capsys.readouterr().err
    assert running.queue.job(job).state is JobState.QUEUED


def test_jobs_are_listed(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    assert farm("jobs") == 0
    assert job in capsys.readouterr().out
    assert farm("jobs", "--project", "default", "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == job


def test_jobs_that_are_not_there_are_nothing_in_json(
    running: Running, farm: Farm, capsys: Captured
) -> None:
    assert farm("jobs", "--state", "done") == 0
    assert capsys.readouterr().err == "There are no such jobs.\n"
    assert farm("jobs", "--state", "done", "--json") == 0
    assert capsys.readouterr().out == ""


def test_jobs_by_label_and_page_by_page(running: Running, farm: Farm, capsys: Captured) -> None:
    for name in ("a", "b", "c"):
        submitted(running, farm, capsys, "--id", name, "--set", f"labels.shot={name}")
        running.clock.advance(1)
    assert farm("jobs", "--limit", "2") == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["c", "b"]
    assert err == "There may be more; add: --before b\n"
    assert farm("jobs", "--limit", "2", "--before", "b", "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "a"
    assert farm("jobs", "--label", "shot=b", "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "b"
    assert farm("jobs", "--label", "shot") == 2
    assert "KEY=VALUE" in capsys.readouterr().err


def test_show_tells_how_it_stands_and_what_happened(
    running: Running, farm: Farm, capsys: Captured
) -> None:
    job = submitted(running, farm, capsys, "--set", "labels.shot=sq010")
    assert farm("show", job) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{job}  print  queued"
    assert "  project  default, priority 50" in lines
    assert "  labels   shot=sq010" in lines
    assert any(line.startswith("  waits    it waits for its turn") for line in lines)
    finish(running)
    assert farm("show", job) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("print "))
    assert row.split()[:3] == ["print", "1", "w1"]
    assert row.split()[-1] == "done"
    assert "waits" not in out
    assert farm("show", job, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["job"]["id"], facts["tasks"][0]["state"], facts["waits"]) == (job, "done", [])
    assert facts["attempts"][0]["outcome"] == "done"


def test_show_says_which_job_it_waits_for(running: Running, farm: Farm, capsys: Captured) -> None:
    submitted(running, farm, capsys, "--id", "first")
    submitted(running, farm, capsys, "--id", "second", "--set", "after=[first]")
    assert farm("cancel", "first") == 0
    assert farm("show", "second", "--no-events") == 0
    out = capsys.readouterr().out
    assert "waits    it comes after job first, which is cancelled; 'farm retry first'" in out


def test_show_lists_tasks_where_there_are_several(
    running: Running, farm: Farm, capsys: Captured
) -> None:
    job = submitted(running, farm, capsys)
    spec = running.queue.job(job).spec
    running.queue.add("many", spec, tasks=[f"f{n:03d}" for n in range(40)])
    running.queue.complete(claimed(running, "many"), Done())
    assert farm("show", "many") == 0
    out = capsys.readouterr().out
    assert "  tasks    39 ready, 1 done" in out
    assert "… and 10 more; --json has all." in out
    shown = [line.split()[:2] for line in out.splitlines() if line.startswith("f0")]
    assert ["f001", "ready"] in shown
    assert ["f000", "done"] not in shown, "what is not done comes first"


def claimed(running: Running, job: str) -> Lease:
    """A lease on a task of that job; others' are set aside."""
    while True:
        lease = running.queue.claim("w1", ttl=30)
        assert lease
        if lease.job == job:
            return lease


def test_single_tasks_are_tried_again(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    running.queue.fail(claimed(running, job), "invalid", "no picture.")
    assert farm("show", job) == 0
    assert f"  next     it was given up; 'farm retry {job}'" in capsys.readouterr().out
    assert farm("retry", job, "--tasks", "print") == 0
    assert capsys.readouterr().out == f"{job} queued\n"


def test_a_job_is_cancelled_at_once(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    claimed(running, job)
    assert farm("cancel", job) == 0
    assert capsys.readouterr().out == f"{job} running, stopping\n"
    assert farm("cancel", job, "--now", "--reason", "too dark") == 0
    assert capsys.readouterr().out == f"{job} cancelled\n"


def test_a_job_is_paused_resumed_cancelled_and_retried(
    running: Running, farm: Farm, capsys: Captured
) -> None:
    job = submitted(running, farm, capsys)
    for verb, state in (
        ("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("retry", "queued"),
    ):  # fmt: skip
        assert farm(verb, job) == 0
        assert capsys.readouterr().out == f"{job} {state}\n"


def test_what_the_state_does_not_allow_is_2(running: Running, farm: Farm, capsys: Captured) -> None:
    job = submitted(running, farm, capsys)
    finish(running)
    assert farm("cancel", job) == 2
    assert capsys.readouterr().err.startswith("farm: ")


def test_fetch_brings_the_pictures(
    running: Running, farm: Farm, capsys: Captured, tmp_path: Path
) -> None:
    job = submitted(running, farm, capsys)
    finish(running)
    assert farm("fetch", job, "-o", tmp_path / "got") == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert all(path.parent == tmp_path / "got" for path in paths)
    assert (tmp_path / "got" / "final.png").read_bytes() == b"final"


def test_quote_is_a_table(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("quote", running.jobfile(), "--set", "output.long_edge=1000") == 0
    out = capsys.readouterr().out
    assert "1000×750 pixels, 100 iterations, 75.0 megapixel-iterations" in out
    row = next(line for line in out.splitlines() if line.startswith("→"))
    assert row.split() == ["→", "local", "cpu-2", "76", "s", "87", "s", "$0.76", "$0.88"]
    assert "only local can take it" in out
    assert running.queue.jobs() == []


def test_quote_as_json(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("quote", running.jobfile(), "--json") == 0
    assert json.loads(capsys.readouterr().out)["decision"]["chosen"]["pool"] == "local"


def test_an_unknown_job_is_4(running: Running, farm: Farm, capsys: Captured) -> None:
    for command in ("show", "watch", "cancel"):
        assert farm(command, "nobody") == 4
        assert "nobody" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--set", "routing.budget_usd=0.001"), ()])
def test_a_refusal_is_5(
    running: Running, farm: Farm, capsys: Captured, options: tuple[str, ...]
) -> None:
    style = "name: dots" if options else "image: cat.png"
    assert farm("submit", running.jobfile(style), *options) == 5
    err = capsys.readouterr().err
    assert ("routing.budget_usd" if options else "styles.0.rights") in err
    assert running.queue.jobs() == []


def test_no_farm_is_3(farm: Farm, capsys: Captured) -> None:
    for command in (("jobs",), ("cancel", "j")):
        assert farm(*command) == 3
        assert "farm up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "content: a.png\noutput: {long_edge: 99}\nprioritie: 3\n", "did you mean 'priority'"),
        ("{", "job file"),
        (HEAD + "content: no.png\noutput: {long_edge: 99}\n", "no.png"),
    ],
    ids=["unknown key", "no yaml", "missing picture"],
)
def test_a_bad_job_file_is_2(
    farm: Farm, capsys: Captured, tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    assert farm("submit", path) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert err.count("\n") == 1


def test_preview_writes_the_picture(
    running: Running, farm: Farm, capsys: Captured, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    assert farm("preview", running.folder / "cat.png", "dots", "-o", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    assert farm("preview", running.folder / "cat.png", "dots", "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "echo-1"


def test_a_preview_needs_a_format_that_is_known(farm: Farm, capsys: Captured) -> None:
    assert farm("preview", "a.png", "dots", "-o", "out.bmp") == 2
    assert "use .png" in capsys.readouterr().err
