"""Why a job does not go on: each reason is a sentence with the command that helps."""

from __future__ import annotations

from typing import Any

import pytest

from farm.cli.waiting import waits
from farm.spec import JobRecord, JobState, TaskRecord, TaskState, parse_job
from farm.spec.event import Artefact, Event, Quarantined
from farm.spec.farm import Project

SPEC = parse_job(
    {"farm": 1, "kind": "print", "content": "a", "styles": [{"name": "x"}], "output": {"long_edge": 99}}
)
NOW = 1_800_000_000.0


def job(name: str = "j", state: str = "queued", **changes: Any) -> JobRecord:
    return JobRecord(
        id=name, spec=SPEC, state=JobState(state), project="ads", priority=50, created_at=1,
        updated_at=1, seq=1, **changes,
    )  # fmt: skip


def task(name: str = "print", state: str = "ready", **changes: Any) -> TaskRecord:
    return TaskRecord(
        id=f"j/{name}", job="j", name=name, state=TaskState(state), attempt=1, **changes
    )  # fmt: skip


def told(
    record: JobRecord,
    *tasks: TaskRecord,
    before: dict[str, JobRecord | None] | None = None,
    project: Project | None = None,
    events: tuple[Event, ...] = (),
) -> str:
    return "\n".join(waits(record, tasks, before or {}, project, events, NOW))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (job(state="paused"), "'farm resume j'"),
        (job(state="running", pause_requested=True), "being paused"),
        (job(state="running", cancel_requested=True), "'farm cancel j --now'"),
        (job(state="cancelled"), "it was cancelled; 'farm retry j'"),
        (job(state="failed"), "it was given up; 'farm retry j'"),
    ],
)
def test_what_was_asked_of_it(record: JobRecord, expected: str) -> None:
    assert expected in told(record, task())


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("failed", "which is failed; 'farm retry first'"),
        ("cancelled", "'farm retry first'"),
        ("paused", "'farm resume first'"),
        ("running", "job first, which is running."),
        ("done", ""),
    ],
)
def test_a_job_it_comes_after(state: str, expected: str) -> None:
    said = told(job(), task(state="waiting"), before={"first": job("first", state)})
    assert expected in said
    assert bool(said) is bool(expected)
    assert "which is not there" in told(job(), task(), before={"nobody": None})


def test_a_task_that_comes_after_others() -> None:
    one, two = task("one", "done"), task("two", "leased")
    waiting = [task(f"t{n}", "waiting", after=("one", "two")) for n in range(5)]
    said = told(job(state="running"), one, two, *waiting).splitlines()
    assert said[0] == "task t0 comes after two (leased)."
    assert said[-1] == "2 more tasks come after others."


def test_a_task_that_waits_before_it_is_tried_again() -> None:
    assert told(job(), task(not_before=NOW + 20)) == "task print is tried again in 20 s."


def test_a_project_at_its_limit() -> None:
    full = Project(name="ads", weight=1, max_running=2, running=2, ready=1)
    assert "'farm project set ads --max-running" in told(job(), task(), project=full)
    assert "its turn" in told(job(), task(), project=full.model_copy(update={"max_running": None}))


def test_a_farm_that_hands_out_nothing_says_why() -> None:
    assert waits(job(), [task()], {}, None, (), NOW, "every node is out.") == ["every node is out."]


def test_a_quarantined_task_has_its_evidence_and_the_command_that_retries() -> None:
    evidence = Artefact(name="why.json", blob="e" * 64, media_type="application/json", bytes=1)
    event = Quarantined(
        task="j/bad", attempt=3, cause="lost", reason="its worker died three times.",
        evidence=(evidence,),
    )  # fmt: skip
    said = told(job(state="failed"), task("good", "done"), task("bad", "quarantined"), events=(event,))
    assert "task bad was set aside (lost): its worker died three times;" in said
    assert "'farm retry j --tasks bad'" in said
    assert f"why.json (sha256:{'e' * 12}…)" in said
    assert "'farm fetch j -o DIR'" in said


def test_nothing_keeps_what_runs_or_is_done() -> None:
    assert told(job(state="running"), task(state="leased")) == ""
    assert told(job(state="done"), task(state="done")) == ""
