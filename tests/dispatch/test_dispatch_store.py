"""Prints on a store that is full, forgetful or shared, and inputs that are no pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dispatch_cases import Bench, Here, midway, once

from farm.errors import Unavailable
from farm.spec import Event, JobState
from farm.spec.event import Checkpointed, Progress
from farm.store import BlobStore


class FullStore(BlobStore):
    """Takes ``room`` more blobs."""

    room = 0

    def put(self, data: bytes) -> str:
        if self.room <= 0:
            raise Unavailable(f"store {self.url}: cannot be written (no space left on device).")
        self.room -= 1
        return super().put(data)


def fill_up(bench: Bench) -> FullStore:
    """Work on a print until its store is full."""
    full = FullStore(bench.store.url)
    full.room = 4
    bench.submit()
    bench.place = replace(bench.place, store=full)
    bench.finish()
    return full


def test_a_full_store_is_waited_for_and_then_given_up(any_bench: Bench) -> None:
    bench = any_bench
    fill_up(bench)
    assert bench.state() is JobState.FAILED
    assert [(e.cause, e.delay) for e in bench.events("retrying")] == [
        ("unavailable", 2.0),
        ("unavailable", 10.0),
    ]
    (failed,) = bench.events("failed")
    assert failed.cause == "unavailable"
    assert "no space left" in failed.reason
    assert "given up after 3 attempts" in failed.reason


def test_a_full_store_loses_nothing(any_bench: Bench) -> None:
    bench = any_bench
    full = fill_up(bench)
    kept = bench.events("checkpointed")[-1]
    assert kept.blob in bench.kept()
    full.room = 1000
    bench.queue.retry_job("j1")
    bench.finish()
    assert bench.state() is JobState.DONE
    again = [e for e in bench.events("progress") if e.attempt == 4]
    assert (again[0].scale, again[0].iteration) == (kept.scale, kept.iteration + 1)


def test_a_store_that_is_away_is_waited_for_without_end(any_bench: Bench) -> None:
    bench = any_bench
    bench.submit()
    place, dispatcher = Path(bench.store.url), bench.dispatcher()
    hidden = place.with_name("hidden")

    def hide(_run: Here) -> None:
        place.rename(hidden)

    bench.meddle = once(hide, midway)
    bench.finish(dispatcher)
    bench.finish(dispatcher)
    assert [event.cause for event in bench.events("retrying")] == ["unavailable"]
    assert "is away, though it was used before" in dispatcher.note
    assert not place.exists()
    hidden.rename(place)
    bench.finish(dispatcher)
    assert bench.state() is JobState.DONE
    assert dispatcher.note == ""


def test_one_job_never_deletes_the_checkpoint_of_its_twin(any_bench: Bench) -> None:
    bench = any_bench
    dispatcher = bench.dispatcher()

    def pause(run: Here, event: Event) -> None:
        if run.lease.job == "j1" and isinstance(event, Progress) and event.iteration == 3:
            bench.queue.pause("j1")
            dispatcher.beat()

    bench.meddle = pause
    bench.submit("j1")
    bench.finish(dispatcher)
    assert bench.state() is JobState.PAUSED
    bench.submit("j2")
    bench.finish(dispatcher)
    assert bench.queue.job("j2").state is JobState.DONE
    bench.meddle = lambda run, event: None
    bench.queue.resume("j1")
    bench.finish(dispatcher)
    assert bench.state() is JobState.DONE
    assert bench.events("retrying") == []


@pytest.mark.parametrize("lost", [True, False])
def test_a_print_whose_checkpoint_is_no_use_starts_over(any_bench: Bench, lost: bool) -> None:
    bench = any_bench
    bench.submit()
    lease = bench.queue.claim("earlier/1", 30.0)
    assert lease is not None
    blob = "0" * 64 if lost else bench.store.put(b"of another format")
    kept = Checkpointed(task=lease.task, attempt=1, blob=blob, scale=2, iteration=1)
    bench.queue.checkpoint(lease, kept)
    bench.queue.retry(lease, "restart", "started again", counts=False)
    bench.finish()
    assert bench.state() is JobState.DONE
    first = bench.events("progress")[0]
    assert (first.attempt, first.scale, first.iteration) == (2, 1, 1)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"this is no picture", "content"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "content"),
    ],
)
def test_content_that_is_no_picture_fails_at_once(any_bench: Bench, data: bytes, sentence: str) -> None:
    bench = any_bench
    bench.submit(content=bench.blob(data))
    bench.finish()
    assert bench.kinds() == ["queued", "failed"]
    (failed,) = bench.events("failed")
    assert failed.cause == "invalid"
    assert failed.reason.startswith(sentence)
    assert bench.runs == []


def test_a_style_that_is_no_picture_fails_at_once(any_bench: Bench) -> None:
    bench = any_bench
    style = {"image": bench.blob(b"no"), "rights": {"licence": "own", "source": "x"}}
    bench.submit(styles=[style])
    bench.finish()
    assert bench.kinds() == ["queued", "routed", "failed"]
    assert bench.events("failed")[0].reason.startswith("styles.0.image")


def test_a_missing_content_fails_at_once(bench: Bench) -> None:
    bench.submit(content=f"sha256:{'0' * 64}")
    bench.finish()
    assert bench.kinds() == ["queued", "failed"]
    assert "upload it" in bench.events("failed")[0].reason
