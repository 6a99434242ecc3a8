"""What became of the jobs of a round: looked up in the database, the store and the clients' streams."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import tifffile
from audit import findings
from chaos_watch import Watch

from farm.errors import FarmError, NotFound
from farm.queue import SqlQueue
from farm.spec.event import Done
from farm.store import BlobStore

Layout = tuple[float, int]
"""The strength of a print, and the devices that finished it."""

Pictures = Mapping[Layout, str]
"""sha256 of the pixels of an undisturbed run."""


def lost(queue: SqlQueue, watches: Sequence[Watch]) -> tuple[str, ...]:
    """Accepted jobs that are gone or did not end well."""
    found: list[str] = []
    for watch in watches:
        try:
            job = queue.job(watch.id)
        except NotFound:
            found.append(f"{watch.id} is not in the queue")
            continue
        if job.state.value != "done":
            log = [each for each in whole_log(queue, watch.id) if each.kind != "progress"]
            told = [each.model_dump_json(exclude={"job", "decision"}) for each in log[-4:]]
            found.append(f"{watch.id} is {job.state.value}: {' '.join(told)}")
    return tuple(found)


def done_twice(queue: SqlQueue, watches: Sequence[Watch]) -> tuple[str, ...]:
    """Tasks that two attempts finished, and jobs of which two events say that they are done."""
    found: list[str] = []
    for watch in watches:
        done = Counter(each.task for each in queue.attempts(watch.id) if each.outcome == "done")
        found += [f"{task} was done {times} times" for task, times in done.items() if times > 1]
        events = sum(event.kind == "done" for event in whole_log(queue, watch.id))
        found += [f"{watch.id} says {events} times that it is done"] * (events > 1)
    return tuple(found)


def gaps(queue: SqlQueue, watches: Sequence[Watch]) -> tuple[str, ...]:
    """Streams that were not the whole log, once and in order."""
    found: list[str] = []
    for watch in watches:
        numbers = [event.seq for event in watch.events]
        if watch.failure:
            found.append(f"the stream of {watch.id} broke: {watch.failure}")
        elif numbers != list(range(1, len(numbers) + 1)):
            found.append(f"the stream of {watch.id} is {numbers}")
        elif watch.events != whole_log(queue, watch.id):
            found.append(f"the stream of {watch.id} is not its log")
    return tuple(found)


def stale(queue: SqlQueue, ranks: Sequence[int]) -> tuple[str, ...]:
    """Leases and ranks that are left although all has ended."""
    leases = [f"{lease.task} is leased to {lease.worker}" for lease in queue.held()]
    return (*leases, *(f"rank {pid} outlived its work" for pid in ranks))


def rows(queue: SqlQueue) -> tuple[str, ...]:
    """What does not fit together in the database."""
    return tuple(f"{meaning}: {those}" for meaning, those in findings(queue).items())


def wrong_pictures(watches: Sequence[Watch], store: BlobStore, right: Pictures) -> tuple[str, ...]:
    """Results that are not those of an undisturbed run, and pictures that were told of but are gone."""
    found: list[str] = []
    for watch in watches:
        for event in watch.events:
            if event.kind == "rendition" and not store.has(event.picture.blob):
                found.append(f"{watch.id}: {event.picture.name} is not in the store")
        if not watch.events or watch.events[-1].kind != "done":
            continue  # it counts as lost
        try:
            pixels = pixels_of(store, watch.events[-1])
        except FarmError as error:
            found.append(f"{watch.id}: {error}")
            continue
        if pixels != right[layout(watch)]:
            found.append(f"{watch.id} has other pixels than an undisturbed run of {layout(watch)}")
    return tuple(found)


def layout(watch: Watch) -> Layout:
    """What the picture was made by."""
    return watch.strength, [event.devices for event in watch.events if event.kind == "started"][-1]


def pixels_of(store: BlobStore, done: Done) -> str:
    """sha256 of the result's pixels. The file itself names its task, so it is another for each job."""
    pixels = tifffile.imread(BytesIO(store.get(done.artefacts[0].blob)))
    return hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode() + pixels.tobytes()).hexdigest()


def whole_log(queue: SqlQueue, job_id: str) -> list[Any]:
    """All events of a job."""
    log: list[Any] = []
    while page := queue.events(job_id, len(log), 1000):
        log += page
    return log
