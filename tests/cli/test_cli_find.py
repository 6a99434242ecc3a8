"""Commands take the beginning of a job's id where only one begins so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from farm.queue import MemoryQueue
from farm.spec import JobState

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


class Running(Protocol):
    """A farm that answers, as the fixture makes it."""

    queue: MemoryQueue
    folder: Path

    def jobfile(self) -> str: ...


@pytest.fixture
def two(running: Running, farm: Farm, capsys: Captured) -> Running:
    for name in ("shot-010", "shot-020"):
        assert farm("submit", running.jobfile(), "--id", name) == 0
    capsys.readouterr()
    return running


def test_a_beginning_that_one_job_has_is_enough(
    two: Running, farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(two.folder)
    orders = (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("retry", "queued"))
    for command, state in orders:
        assert farm(command, "shot-02") == 0
        assert two.queue.job("shot-020").state.value == state
    assert two.queue.job("shot-010").state is JobState.QUEUED
    assert farm("show", "shot-02", "--json") == 0
    assert '"id": "shot-020"' in capsys.readouterr().out
    assert farm("fetch", "shot-02", "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"][-1] == "shot-020/events.jsonl"
    assert farm("cancel", "shot-02") == 0
    assert farm("watch", "shot-02") == 1
    assert "cancelled" in capsys.readouterr().err


def test_one_that_more_jobs_have_does_nothing(two: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("cancel", "shot") == 4
    assert capsys.readouterr().err == (
        "farm: job: 'shot' begins more than one id (shot-020, shot-010); write more of it.\n"
    )
    assert {job.state for job in two.queue.jobs()} == {JobState.QUEUED}
    assert farm("show", "sh0t") == 4
    assert "'sh0t'" in capsys.readouterr().err


def test_a_whole_id_is_that_job_whatever_else_begins_so(
    two: Running, farm: Farm, capsys: Captured
) -> None:
    assert farm("submit", two.jobfile(), "--id", "shot") == 0
    assert farm("cancel", "shot") == 0
    assert [job.id for job in two.queue.jobs(state=JobState.CANCELLED)] == ["shot"]
