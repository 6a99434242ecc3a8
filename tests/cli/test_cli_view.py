"""A watched job: bars on a terminal, lines everywhere, an exit code at the end."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from farm.cli.lines import line
from farm.cli.view import View, remaining, watch, watch_json
from farm.errors import Unreachable
from farm.spec import Decision, Option
from farm.spec.event import (
    Artefact,
    CancelledEvent,
    Checkpointed,
    Done,
    Event,
    Failed,
    Progress,
    Queued,
    Rendition,
    Retrying,
    Routed,
    Stage,
    Started,
)

PICTURE = Artefact(name="a.png", blob="0" * 64, media_type="image/png", bytes=1)
OPTION = Option(
    pool="local", accelerator="cpu-2", p50_seconds=100, p90_seconds=115, p50_usd=0.1, p90_usd=0.2
)
DONE = Done(
    seq=9, pool="local", extractor="farm-texture", precision="float32", usd=0.01, seconds=125,
    stages=(Stage(name="decode", seconds=0.5),), quality={"loss": 0.25},
)  # fmt: skip


def progress(scale: int, iteration: int, share: float, at: float, attempt: int = 1) -> Progress:
    return Progress(
        task="t", attempt=attempt, scale=scale, scales=2, width=100 * scale, height=50 * scale,
        iteration=iteration, iterations=10, loss=0.5, share=share, at=at,
    )  # fmt: skip


STORY: list[Event] = [
    Queued(seq=1),
    Routed(seq=2, task="t", decision=Decision(chosen=OPTION, reason="only local can take it.")),
    Started(seq=3, task="t", attempt=1, worker="w1", extractor="farm-texture", precision="float32"),
    progress(1, 5, 0.1, at=100),
    progress(2, 5, 0.5, at=120),
    Rendition(seq=6, fidelity="scale", width=100, height=50, picture=PICTURE, seconds=1.5, model="x"),
    Checkpointed(seq=7, task="t", attempt=1, blob="0" * 64, scale=2, iteration=5),
    Retrying(seq=8, task="t", attempt=1, cause="lost", reason="worker gone", delay=5),
    progress(1, 1, 0.1, at=200, attempt=2),
    DONE,
]


def drawn(events: list[Event], terminal: bool) -> tuple[int, str]:
    target = io.StringIO()
    console = Console(file=target, force_terminal=terminal, width=160, color_system=None)
    return watch(events, console), target.getvalue()


def test_every_kind_but_progress_is_a_line() -> None:
    code, text = drawn(STORY, terminal=False)
    assert code == 0
    assert text.splitlines() == [
        "queued",
        "routed to local (cpu-2): only local can take it.",
        "attempt 1 on w1 with farm-texture float32",
        "scale picture, 100×50, 1.50 s, x",
        "checkpoint at scale 2, iteration 5",
        "attempt 1 ended (lost), again in 5 s: worker gone",
        "done in 2 min for $0.010; local, farm-texture, float32; decode 0.5 s; loss 0.25",
    ]


def test_a_terminal_gets_a_bar_for_each_scale() -> None:
    _, text = drawn([*STORY[:5], DONE], terminal=True)
    assert "scale 1/2  100×50" in text
    assert "10/10" in text, "a scale that was left is full"
    assert "scale 2/2  200×100" in text
    assert "loss 0.5  50%  25 s left" in text.replace("   ", "  ")


def test_a_new_attempt_begins_its_bars_anew() -> None:
    view = View(Console(file=io.StringIO(), force_terminal=True, width=160))
    with view:
        for event in STORY[3:5]:
            view.show(event)
        assert len(view.bars()) == 2
        view.show(progress(1, 1, 0.1, at=200, attempt=2))
        assert [bar.completed for bar in view.bars()] == [1]


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (DONE, 0),
        (Failed(cause="invalid", reason="not a picture"), 1),
        (CancelledEvent(reason="on request"), 1),
    ],
    ids=["done", "failed", "cancelled"],
)
def test_the_exit_code_is_that_of_the_end(last: Event, code: int) -> None:
    assert drawn([last], terminal=False)[0] == code


def test_a_job_that_was_retried_has_only_its_last_end() -> None:
    failed = Failed(cause="lost", reason="gone")
    assert drawn([Queued(), failed, Queued(reason="retry"), DONE], terminal=False)[0] == 0
    with pytest.raises(Unreachable):
        drawn([Queued(), failed, Queued(reason="retry")], terminal=False)


def test_a_stream_without_an_end_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="farm watch"):
        drawn([Queued()], terminal=False)
    with pytest.raises(Unreachable):
        watch_json([Queued()])


def test_json_lines_carry_seq_and_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert watch_json(STORY) == 0
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [(item["seq"], item["kind"]) for item in lines] == [(e.seq, e.kind) for e in STORY]


def test_words_of_a_reason_are_not_taken_for_markup() -> None:
    text = drawn([Failed(cause="x", reason="wants [red] :smile:")], terminal=True)[1]
    assert "wants [red] :smile:" in text


def test_time_left_follows_the_pace_of_this_attempt() -> None:
    first = progress(1, 1, 0.2, at=100)
    assert remaining(first, progress(1, 2, 0.4, at=110)) == pytest.approx(30)
    assert remaining(first, first) is None
    assert remaining(None, first) is None


def test_progress_is_no_line() -> None:
    assert line(STORY[3]) is None
