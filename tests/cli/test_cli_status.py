"""``farm status``, ``projects``, ``nodes``: what an operator sees of a farm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from farm.cli import status
from farm.queue import MemoryQueue
from farm.spec import parse_job
from farm.spec.event import Started
from farm.spec.farm import Dispatcher, FarmView, Node, Process, Project

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]
SPEC: dict[str, Any] = {
    "farm": 1, "kind": "print", "content": "a", "styles": [{"name": "x"}], "output": {"long_edge": 99},
}  # fmt: skip


class Running(Protocol):
    """A farm that answers, as the fixture makes it."""

    queue: MemoryQueue
    folder: Path
    url: str


VIEW = FarmView(
    version="0.1.0",
    dispatcher=Dispatcher(version="0.1.0", pid=42, running=1),
    jobs={"queued": 3, "running": 1, "done": 0},
    projects=(Project(name="ads", weight=2, max_running=4, running=1, ready=3),),
    nodes=(
        Node(name="b" * 56, failed_tasks=3, out=True, reason="three tasks failed", since=1_800_000_000),
    ),
    processes=(
        Process(role="ray", pid=7, memory_mb=200, name="raylet"),
        Process(role="rank", node="b" * 56, pid=50, task="j1/print", memory_mb=1800, state="alive"),
        Process(role="dispatcher", node="b" * 56, pid=42, memory_mb=300, state="alive"),
        Process(role="ray", pid=8, memory_mb=50, name="gcs_server"),
    ),
)
SHOWN = """\
farm        up at http://127.0.0.1:8700, version 0.1.0
dispatcher  version 0.1.0, pid 42, 1 running
jobs        3 queued, 1 running

PROJECT  WEIGHT  RUNNING  MAX  READY
ads      2       1        4    3

NODE          STATE  FAILED TASKS  SINCE                REASON
bbbbbbbbbbbb  out    3             2027-01-15 08:00:00  three tasks failed

ROLE        NODE          PID       MEMORY    STATE  TASK
dispatcher  bbbbbbbbbbbb  42        300 MB    alive
rank        bbbbbbbbbbbb  50        1,800 MB  alive  j1/print
ray                       2 in all  250 MB
"""


def shown(capsys: Captured) -> str:
    """What was written, without the blanks at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())


def test_a_farm_is_a_screenful(capsys: Captured) -> None:
    status.show(VIEW, "http://127.0.0.1:8700", {})
    assert shown(capsys) == SHOWN


def test_a_dispatcher_of_another_version_or_none_stands_out(capsys: Captured) -> None:
    old = Dispatcher(version="0.0.9", pid=42, running=0)
    status.show(VIEW.model_copy(update={"dispatcher": old}), "http://x", {})
    assert "version 0.0.9, not the gateway's: restart the farm" in capsys.readouterr().out
    idle = Dispatcher(version="0.1.0", pid=42, running=0, note="every node is out.")
    status.show(VIEW.model_copy(update={"dispatcher": idle}), "http://x", {})
    assert "problem     every node is out.\n" in capsys.readouterr().out
    away = {"dispatcher": None, "problems": ("dispatcher: does not answer.",)}
    status.show(VIEW.model_copy(update=away), "http://x", {})
    out = capsys.readouterr().out
    assert "dispatcher  does not answer\n" in out
    assert "problem     dispatcher: does not answer.\n" in out


def test_the_status_is_the_gateways(running: Running, farm: Farm, capsys: Captured) -> None:
    running.queue.add("j1", parse_job(SPEC))
    assert farm("status") == 0
    out = shown(capsys)
    assert f"farm        up at {running.url}, version" in out
    assert "jobs        1 queued\n" in out
    assert out.splitlines()[-1].split() == ["ray", "1", "in", "all", "50", "MB"]
    assert farm("status", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["running"], facts["answers"], facts["jobs"]["queued"]) == (True, True, 1)
    assert len(facts["processes"]) == 2


def test_no_farm_is_3_and_says_where_was_looked(farm: Farm, capsys: Captured, tmp_path: Path) -> None:
    assert farm("status") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert str(tmp_path / "home") in err
    assert "'farm up'" in err
    assert farm("status", "--json") == 3
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_a_farm_whose_gateway_is_silent_is_shown_as_it_is_seen_from_here(
    farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farm.tiers import local

    facts = {"home": "/h", "dashboard": "http://d", "pid": 1, "dispatcher_pid": 2}
    monkeypatch.setattr(status, "_here", lambda chosen: {**facts, "dashboard_token": "/h/ray.token"})
    view = VIEW.model_copy(update={"dispatcher": None})
    monkeypatch.setattr(local, "status", lambda chosen: view)
    assert farm("status") == 3
    out, err = capsys.readouterr()
    assert "up, but does not answer, at" in out
    assert "dispatcher  alive, pid 42\n" in out
    assert "home        /h\n" in out
    assert "the gateway does not answer" in err
    assert "'farm doctor' looks closer" in err


def test_a_projects_share(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("project", "set", "ads", "--weight", "2", "--max-running", "3") == 0
    assert shown(capsys).splitlines()[1].split() == ["ads", "2", "0", "3", "0"]
    assert farm("project", "set", "ads", "--weight", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["max_running"] == 3, "what is not given stays"
    assert farm("project", "set", "ads", "--no-limit") == 0
    assert shown(capsys).splitlines()[1].split() == ["ads", "1", "0", "–", "0"]
    assert farm("projects", "--json") == 0
    assert [p["name"] for p in json.loads(capsys.readouterr().out)] == ["ads"]


@pytest.mark.parametrize(
    "options", [(), ("--max-running", "1", "--no-limit"), ("--weight", "0"), ("--max-running", "-1")]
)
def test_a_share_that_is_none(
    running: Running, farm: Farm, capsys: Captured, options: tuple[str, ...]
) -> None:
    assert farm("project", "set", "ads", *options) == 2
    assert capsys.readouterr().err.startswith("farm: ")


def test_a_node_comes_back_by_the_beginning_of_its_name(
    running: Running, farm: Farm, capsys: Captured
) -> None:
    assert farm("nodes") == 0
    assert "No task has failed" in capsys.readouterr().err
    for index in range(6):
        name = f"j{index}"
        running.queue.add(name, parse_job(SPEC))
        lease = running.queue.claim("w1", 30)
        assert lease
        node = ("a" if index < 3 else "ab") + "c" * 30
        started = Started(task=lease.task, attempt=1, worker="w1", node=node)
        running.queue.record(lease, started)
        running.queue.fail(lease, "unknown", "it broke.")
    assert farm("nodes") == 0
    assert shown(capsys).count("  out  ") == 2
    assert farm("readmit", "a") == 4
    assert "fits 2 nodes" in capsys.readouterr().err
    assert farm("readmit", "abc") == 0
    assert shown(capsys).splitlines()[1].split()[1:] == ["in", "0"]
    assert farm("nodes", "--json") == 0
    out = {n["name"][:2]: n["out"] for n in json.loads(capsys.readouterr().out)}
    assert out["ac"] is True
    assert not out.get("ab")
    assert farm("readmit", "x") == 4
