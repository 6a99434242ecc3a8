"""A print in this process: no farm, no queue, no Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from farm.catalog.catalogue import Catalogue
from farm.dispatch.preview_task import render_preview
from farm.dispatch.render import Order, Workplace, render
from farm.errors import InvalidInput
from farm.spec import Event, Job, PreviewJob
from farm.spec.event import Done
from farm.store import BlobStore, publish


def render_file(
    job: Job, out: Path, *, catalogue: Catalogue, on_progress: Callable[[Event], None]
) -> Done:
    """Make the picture of ``job``, whose pictures are local files, and write it to ``out``.

    Raises:
        InvalidInput: a picture cannot be used.
        Unavailable: weights are missing, or ``out`` cannot be written.
    """
    with TemporaryDirectory(prefix="farm-") as folder:
        store = BlobStore(folder)
        _check_writable(out)
        place = Workplace(store, catalogue, load=Path, checkpoint_seconds=float("inf"))
        order = Order(job, "print", 1, "this process")
        events = render_preview(order, place) if isinstance(job, PreviewJob) else render(order, place)
        for event in events:
            on_progress(event)
            if isinstance(event, Done):
                _write(store.get(event.artefacts[0].blob), out)
                return event
    raise AssertionError("a render without interruption ends with Done")


def _check_writable(out: Path) -> None:
    """Find out now, not after an hour, that the picture cannot be written."""
    if out.is_dir():
        raise InvalidInput(f"{out}: is a folder; name a file in it.")
    if out.exists() and not out.is_file():
        return  # a device, such as /dev/stdout: nothing can be put beside it, nor need be
    probe = out.with_name(f".{out.name}.probe")
    publish(probe, lambda path: path.touch())
    probe.unlink(missing_ok=True)


def _write(data: bytes, out: Path) -> None:
    def fill(path: Path) -> None:
        path.write_bytes(data)

    publish(out, fill)
