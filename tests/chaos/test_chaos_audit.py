"""The audit finds what it is there to find: its zeros mean something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import chaos_audit
import numpy as np
import pytest
import tifffile
from chaos_watch import Watch
from queue_cases import database, job_spec
from sqlalchemy import text

from farm.clock import ManualClock
from farm.queue import SqlQueue, open_queue
from farm.spec.event import Artefact, Done, Started
from farm.store import BlobStore


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SqlQueue]:
    with closing(open_queue(database(tmp_path), ManualClock())) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "store"))


def tiff(store: BlobStore, value: int, text: str = "") -> Artefact:
    file = BytesIO()
    tifffile.imwrite(file, np.full((4, 4, 3), value, np.uint16), description=text)
    blob = store.put(file.getvalue())
    return Artefact(name="final.tif", blob=blob, media_type="image/tiff", bytes=1)


def finished(queue: SqlQueue, picture: Artefact) -> Watch:
    """A job that was done, and a client that saw all of it."""
    queue.add("j", job_spec())
    lease = queue.claim("w", 30)
    assert lease
    queue.record(lease, Started(task=lease.task, attempt=1, worker="w"))
    queue.complete(lease, Done(artefacts=(picture,)))
    return watched(queue)


def watched(queue: SqlQueue) -> Watch:
    watch = Watch("", "j", 0.5, 1.0)
    watch.events = chaos_audit.whole_log(queue, "j")
    return watch


def test_a_job_that_was_done_has_nothing_wrong(queue: SqlQueue, store: BlobStore) -> None:
    watch = finished(queue, tiff(store, 7))
    right = {(0.5, 1): chaos_audit.pixels_of(store, watch.events[-1])}
    assert chaos_audit.lost(queue, [watch]) == ()
    assert chaos_audit.done_twice(queue, [watch]) == ()
    assert chaos_audit.gaps(queue, [watch]) == ()
    assert chaos_audit.stale(queue, []) == ()
    assert chaos_audit.rows(queue) == ()
    assert chaos_audit.wrong_pictures([watch], store, right) == ()


def test_pixels_count_and_not_what_is_said_of_them(queue: SqlQueue, store: BlobStore) -> None:
    watch = finished(queue, tiff(store, 7, "one task"))
    same, other = (Done(artefacts=(tiff(store, value, "another"),)) for value in (7, 8))
    right = {(0.5, 1): chaos_audit.pixels_of(store, same)}
    assert chaos_audit.wrong_pictures([watch], store, right) == ()
    wrong = {(0.5, 1): chaos_audit.pixels_of(store, other)}
    assert "other pixels" in chaos_audit.wrong_pictures([watch], store, wrong)[0]
    store.delete(watch.events[-1].artefacts[0].blob)
    assert "no " in chaos_audit.wrong_pictures([watch], store, right)[0]


def test_jobs_that_are_gone_failed_or_run_still_are_lost(queue: SqlQueue) -> None:
    gone = Watch("", "j", 0.5, 1.0)
    assert chaos_audit.lost(queue, [gone]) == ("j is not in the queue",)
    queue.add("j", job_spec())
    lease = queue.claim("w", 30)
    assert lease
    assert "j is running" in chaos_audit.lost(queue, [gone])[0]
    assert "leased to w" in chaos_audit.stale(queue, [5])[0]
    assert chaos_audit.stale(queue, [5])[1] == "rank 5 outlived its work"
    queue.fail(lease, "invalid", "bad")
    assert "j is failed" in chaos_audit.lost(queue, [gone])[0]


def test_streams_with_a_gap_a_double_or_another_story_are_found(
    queue: SqlQueue, store: BlobStore
) -> None:
    whole = finished(queue, tiff(store, 7)).events
    for events in (whole[:1] + whole[2:], [*whole[:2], *whole[1:]], whole[:-1], []):
        watch = watched(queue)
        watch.events = events
        assert len(chaos_audit.gaps(queue, [watch])) == 1
    watch = watched(queue)
    watch.failure = "Unreachable"
    assert "broke: Unreachable" in chaos_audit.gaps(queue, [watch])[0]


def test_a_task_that_two_attempts_finished_is_found(queue: SqlQueue, store: BlobStore) -> None:
    watch = finished(queue, tiff(store, 7))
    with queue._engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            columns = "job, task, attempt, worker, node, started, ended, outcome, cause, reason"
            again = columns.replace("attempt", "2", 1)
            connection.execute(
                text(f"INSERT INTO attempts (token, {columns}) SELECT 99, {again} FROM attempts")
            )
    assert chaos_audit.done_twice(queue, [watch]) == ("j/print was done 2 times",)
    assert chaos_audit.rows(queue) != ()
