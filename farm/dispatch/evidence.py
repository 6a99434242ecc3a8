"""What is kept of a task that was given up, for whoever looks into it."""

from __future__ import annotations

from collections.abc import Iterator

from farm.dispatch.ports import Blobs
from farm.errors import FarmError
from farm.spec import Job
from farm.spec.event import Artefact, Rendition
from farm.spec.record import Lease

BLOB = "sha256:"


def evidence(
    lease: Lease, store: Blobs, log: str, newest: Rendition | None = None
) -> tuple[Artefact, ...]:
    """The pictures that the task was made of, the end of its log, and how far it had come.

    A part that the store does not give is left out: a full store must not keep a task from its end.
    """
    found = [_kept(store, name, reference) for name, reference in _inputs(lease.spec)]
    if log:
        found.append(_written(store, f"attempt-{lease.attempt}.log", log))
    if newest:
        found.append(newest.picture)
    elif lease.checkpoint:
        found.append(_kept(store, "checkpoint.json", f"{BLOB}{lease.checkpoint}", "application/json"))
    return tuple(each for each in found if each)


def _inputs(job: Job) -> Iterator[tuple[str, str]]:
    """Names and references of a job's pictures, those of the catalogue left out."""
    named = [("content", job.content)]
    for number, style in enumerate(job.styles, start=1):
        named += [(f"style-{number}", style.image or ""), (f"mask-{number}", style.mask or "")]
    yield from ((name, reference) for name, reference in named if reference.startswith(BLOB))


def _kept(
    store: Blobs, name: str, reference: str, kind: str = "application/octet-stream"
) -> Artefact | None:
    sha = reference.removeprefix(BLOB)
    try:
        size = len(store.get(sha))
    except FarmError:
        return None
    return Artefact(name=name, blob=sha, media_type=kind, bytes=size)


def _written(store: Blobs, name: str, text: str) -> Artefact | None:
    data = text.encode()
    try:
        sha = store.put(data)
    except FarmError:
        return None
    return Artefact(name=name, blob=sha, media_type="text/plain; charset=utf-8", bytes=len(data))
