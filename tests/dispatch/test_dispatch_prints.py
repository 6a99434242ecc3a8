"""A print from the queue to its files, and everything that may befall it on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

import pytest
from dispatch_cases import Bench, Here, midway, once, raises

from farm.dispatch.retry import WorkerLost
from farm.errors import BadModel, InvalidInput, NotFound, Refused, Unavailable
from farm.imaging.decode import decode, inspect
from farm.spec import Event, JobState
from farm.spec.event import Checkpointed, Progress, Started

SCALES = [(32, 26), (45, 37), (64, 53)]


@pytest.fixture
def undisturbed(bench: Bench) -> bytes:
    """What an undisturbed run of ``j1`` makes."""
    bench.submit()
    bench.finish()
    return bench.final()


def test_a_print_goes_from_queued_to_done(any_bench: Bench) -> None:
    bench = any_bench
    bench.submit()
    assert bench.dispatcher().tick()
    assert bench.state() is JobState.DONE
    kinds = [kind for kind, _ in groupby(k for k in bench.kinds() if k != "checkpointed")]
    scales = ["progress", "rendition"] * 3
    assert kinds == ["queued", "routed", "started", *scales, "done"]
    sizes = [(e.width, e.height) for e in bench.events("rendition")]
    assert sizes == [*SCALES, SCALES[-1]]
    assert [e.fidelity for e in bench.events("rendition")] == ["scale"] * 3 + ["final"]
    shares = [e.share for e in bench.events("progress")]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_a_print_leaves_behind(any_bench: Bench) -> None:
    bench = any_bench
    before = bench.submit()
    inputs = {before.content, before.styles[0].image}
    bench.finish()
    done = bench.done()
    pool = bench.events("routed")[0].decision.chosen
    began, ended = bench.events("routed")[0].at, bench.events("done")[0].at
    assert done.seconds == pytest.approx(ended - began)
    assert done.seconds > 1
    assert done.usd == pytest.approx(done.seconds * pool.p50_usd / pool.p50_seconds, abs=1e-6)
    assert done.usd > 0
    assert (done.pool, done.extractor, done.precision) == (pool.pool, "farm-texture", "float32")
    (file,) = done.artefacts
    data = bench.store.get(file.blob)
    assert (file.name, file.media_type, file.bytes) == ("final.tif", "image/tiff", len(data))
    info = inspect(data)
    assert (info.format, info.width, info.height, info.bits) == ("tiff", 64, 53, 16)
    assert len(set(decode(data).pixels.ravel().tolist())) > 256, "eight bits in sixteen's clothing"
    renditions = {e.picture.blob for e in bench.events("rendition")}
    assert bench.kept() == renditions | {str(name).removeprefix("sha256:") for name in inputs}


def test_superseded_checkpoints_are_deleted_on_the_way(bench: Bench) -> None:
    alive: list[int] = []

    def look(run: Here, event: Event) -> None:
        if isinstance(event, Progress):
            known = [e.blob for e in bench.events("checkpointed")]
            alive.append(len(bench.kept() & set(known)))

    bench.meddle = look
    bench.submit()
    bench.finish()
    assert len(bench.events("checkpointed")) > 5
    assert set(alive[1:]) == {1}, "one checkpoint is kept, whatever came before"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Unavailable("store: full."), "unavailable"),
        (MemoryError("no"), "out_of_memory"),
        (WorkerLost("gone."), "lost"),
        (ValueError("a bug"), "unknown"),
    ],
)
def test_a_worker_that_raises_is_tried_again_from_its_checkpoint(
    any_bench: Bench, error: Exception, cause: str
) -> None:
    bench = any_bench
    bench.meddle = once(raises(error), midway)
    bench.submit()
    bench.dispatcher().tick()
    assert bench.state() is JobState.QUEUED
    (retrying,) = bench.events("retrying")
    assert (retrying.cause, retrying.attempt) == (cause, 1)
    assert bench.runs[0].killed
    bench.finish()
    assert bench.state() is JobState.DONE
    assert [e.attempt for e in bench.events("started")] == [1, 2]
    second = [e for e in bench.events("progress") if e.attempt == 2]
    assert (second[0].scale, second[0].iteration) == (2, 2), "goes on from the checkpoint"
    outcomes = [record.outcome for record in bench.queue.attempts("j1")]
    assert outcomes == ["lost" if cause == "lost" else "retry", "done"]
    assert bench.queue.tasks("j1")[0].losses == (cause == "lost")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (InvalidInput("content: no."), "invalid"),
        (NotFound("blob: gone."), "invalid"),
        (Refused("no."), "refused"),
        (BadModel("models/vgg19: damaged; run 'farm models verify'."), "model"),
    ],
)
def test_what_cannot_get_better_fails_at_once(any_bench: Bench, error: Exception, cause: str) -> None:
    bench = any_bench
    bench.meddle = once(raises(error), midway)
    bench.submit()
    bench.finish()
    assert bench.state() is JobState.FAILED
    (failed,) = bench.events("failed")
    assert (failed.cause, failed.reason) == (cause, str(error))
    assert bench.events("retrying") == []
    assert len(bench.runs) == 1


@pytest.mark.parametrize("place", [midway, lambda event: isinstance(event, Checkpointed)])
def test_a_lost_worker_costs_no_pixel(
    any_bench: Bench, undisturbed: bytes, place: Callable[[Event], bool]
) -> None:
    any_bench.meddle = once(raises(WorkerLost("gone.")), place)
    any_bench.submit()
    any_bench.finish()
    assert len(any_bench.runs) == 2
    assert any_bench.final() == undisturbed


def test_a_cancel_midway_ends_without_a_result(any_bench: Bench) -> None:
    bench = any_bench
    dispatcher = bench.dispatcher()

    def cancel(_run: Here) -> None:
        bench.queue.cancel("j1", "changed my mind")
        dispatcher.beat()

    bench.meddle = once(cancel, midway)
    bench.submit()
    bench.finish(dispatcher)
    assert bench.state() is JobState.CANCELLED
    assert bench.kinds()[-1] == "cancelled"
    assert bench.events("cancelled")[0].reason == "changed my mind"
    assert bench.events("done") == []
    last = bench.events("progress")[-1]
    assert (last.scale, last.iteration) == (2, 2), "ends at the iteration that was under way"
    assert dispatcher.busy == 0


def test_a_pause_midway_costs_no_pixel(any_bench: Bench, undisturbed: bytes) -> None:
    bench = any_bench
    bench.place = replace(bench.place, checkpoint_seconds=float("inf"))
    dispatcher = bench.dispatcher()

    def pause(_run: Here) -> None:
        bench.queue.pause("j1")
        dispatcher.beat()

    bench.meddle = once(pause, midway)
    bench.submit()
    bench.finish(dispatcher)
    assert bench.state() is JobState.PAUSED
    assert bench.kinds()[-2:] == ["checkpointed", "paused"]
    bench.queue.resume("j1")
    bench.finish(dispatcher)
    assert bench.state() is JobState.DONE
    assert bench.final() == undisturbed
    assert [e.attempt for e in bench.events("started")] == [1, 2]


def test_a_worker_that_breaks_while_being_cancelled_is_cancelled(bench: Bench) -> None:
    dispatcher = bench.dispatcher()

    def cancel(_run: Here) -> None:
        bench.queue.cancel("j1")
        dispatcher.beat()
        raise ValueError("torn down")

    bench.meddle = once(cancel, midway)
    bench.submit()
    bench.finish(dispatcher)
    assert bench.state() is JobState.CANCELLED
    assert bench.events("retrying") == []


def test_a_worker_whose_lease_was_taken_records_nothing(any_bench: Bench) -> None:
    bench = any_bench
    first, second = bench.dispatcher("first"), bench.dispatcher("second")
    ended: list[int] = []

    def oversleep(_run: Here) -> None:
        bench.clock.advance(bench.settings.lease_seconds + 1)
        bench.finish(second)
        ended.append(len(bench.events()))

    bench.meddle = once(oversleep, midway)
    bench.submit()
    bench.finish(first)
    assert [len(bench.events())] == ended, "the first worker wrote after losing its task"
    assert bench.kinds().count("done") == 1
    assert [e.cause for e in bench.events("retrying")] == ["lost"]
    assert bench.runs[0].killed
    assert first.busy == 0
    assert bench.state() is JobState.DONE
    assert bench.done().artefacts[0].blob in bench.kept()


def test_a_beat_that_finds_the_lease_gone_kills_the_run(bench: Bench) -> None:
    first, second = bench.dispatcher("first"), bench.dispatcher("second")
    killed: list[int] = []

    def oversleep(run: Here) -> None:
        bench.clock.advance(bench.settings.lease_seconds + 1)
        second.tick()
        first.beat()
        killed.append(run.killed)
        raise WorkerLost("killed.")

    bench.meddle = once(oversleep, midway)
    bench.submit()
    bench.finish(first)
    assert killed == [1]
    assert bench.kinds()[-1] == "done"


def test_beats_keep_a_long_print_from_being_reaped(bench: Bench) -> None:
    first, second = bench.dispatcher("first"), bench.dispatcher("second")

    def slow(_run: Here, _event: Event) -> None:
        bench.clock.advance(bench.settings.lease_seconds / 2)
        first.beat()
        assert not second.tick(), "a task was taken from a worker that was alive"

    bench.meddle = slow
    bench.submit()
    bench.finish(first)
    assert bench.events("retrying") == []
    assert bench.state() is JobState.DONE


def test_a_slow_start_does_not_cost_the_lease(bench: Bench) -> None:
    bench.start_seconds = bench.settings.lease_seconds + 5

    def look(_run: Here) -> None:
        assert bench.queue.expired() == []

    bench.meddle = once(look, lambda event: isinstance(event, Started))
    bench.submit()
    bench.finish()
    assert bench.events("retrying") == []
    assert bench.state() is JobState.DONE


def test_a_dispatcher_with_its_hands_full_claims_nothing(bench: Bench) -> None:
    dispatcher = bench.dispatcher()
    tried: list[bool] = []
    bench.meddle = once(lambda run: tried.append(dispatcher.tick()), midway)
    bench.submit()
    bench.submit("j2")
    dispatcher.tick()
    assert tried == [False]
    bench.finish(dispatcher)
    assert bench.queue.job("j2").state is JobState.DONE


def test_a_job_that_has_become_late_runs_all_the_same(bench: Bench) -> None:
    due = datetime.fromtimestamp(bench.clock.now() + 3600, UTC)
    bench.submit(routing={"deadline": due.isoformat()})
    bench.clock.advance(7200)
    bench.finish()
    (routed,) = bench.events("routed")
    assert routed.decision.reason.startswith("the deadline cannot be met any more")
    assert bench.state() is JobState.DONE
