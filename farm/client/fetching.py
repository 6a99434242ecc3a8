"""What a job has made, as files in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from farm.client import _files, _flows
from farm.client._protocol import Flow, Work
from farm.errors import InvalidInput
from farm.spec import Event
from farm.spec.event import Artefact, Done, Quarantined, Rendition

LOG = "events.jsonl"
_SUFFIXES = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif", "image/webp": ".webp",
    "image/x-exr": ".exr",
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """A blob and the name it gets."""

    name: str
    blob: str


def plan(events: Sequence[Event]) -> list[Wanted]:
    """Renditions in the order they came (``01-preview.png``, ``02-scale-362x242.png``), then artefacts,
    then the evidence of tasks that were quarantined.

    The last ``done`` counts: a job that was retried has had other ends before.
    """
    wanted: list[Wanted] = []
    for event in events:
        if isinstance(event, Rendition) and event.fidelity != "final":
            wanted.append(Wanted(_rendition_name(len(wanted) + 1, event), event.picture.blob))
    done = next((event for event in reversed(events) if isinstance(event, Done)), None)
    taken = {item.name for item in wanted} | {LOG}
    for artefact in (*_finals(events, done), *_evidence(events)):
        name = _safe(artefact.name)
        if name in taken:
            name = f"{artefact.blob[:8]}-{name}"
        taken.add(name)
        wanted.append(Wanted(name, artefact.blob))
    return wanted


def fetch(job_id: str, folder: Path) -> Flow[list[Path]]:
    """Download all that a job has made so far, and its log.

    Raises:
        InvalidInput: the folder cannot be made or written.
    """
    events = yield from _flows.events(job_id)
    yield Work(partial(_make, folder))
    paths: list[Path] = []
    for item in plan(events):
        paths.append((yield from _flows.download(item.blob, folder / item.name)))
    log = "".join(f"{event.model_dump_json()}\n" for event in events)
    yield Work(partial(_write, folder / LOG, log.encode()))
    return [*paths, folder / LOG]


def _rendition_name(number: int, event: Rendition) -> str:
    suffix = _SUFFIXES.get(event.picture.media_type, ".bin")
    size = "" if event.fidelity == "preview" else f"-{event.width}x{event.height}"
    return f"{number:02d}-{event.fidelity}{size}{suffix}"


def _finals(events: Sequence[Event], done: Done | None) -> list[Artefact]:
    if done is not None and done.artefacts:
        return list({artefact.blob: artefact for artefact in done.artefacts}.values())
    finals = [e for e in events if isinstance(e, Rendition) and e.fidelity == "final"]
    return [finals[-1].picture] if finals else []


def _evidence(events: Sequence[Event]) -> list[Artefact]:
    """What was kept of tasks that were set aside."""
    kept = {e.blob: e for event in events if isinstance(event, Quarantined) for e in event.evidence}
    return [each.model_copy(update={"name": f"evidence-{each.name}"}) for each in kept.values()]


def _safe(name: str) -> str:
    """A name that stays inside its folder whatever the farm says."""
    plain = re.sub(r"[^\w.\- ]", "_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")
    return plain[:120] or "artefact"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise InvalidInput(
            f"folder: {str(folder)!r} cannot be made ({reason}); choose another place.", field="folder"
        ) from None


def _write(path: Path, data: bytes) -> None:
    with _files.arriving(path) as sink:
        sink.write(data)
