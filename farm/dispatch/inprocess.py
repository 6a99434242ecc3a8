"""A print in this process: no farm, no queue, no Ray; on several devices a thread for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from farm.catalog.catalogue import Catalogue
from farm.dispatch.preview_task import render_preview
from farm.dispatch.quotes import ranks_of
from farm.dispatch.render import render
from farm.dispatch.workplace import Order, Workplace
from farm.engine.memory import keep_pages
from farm.engine.mesh import Mesh
from farm.engine.threads import spmd
from farm.errors import InvalidInput
from farm.spec import Event, Job, PreviewJob
from farm.spec.event import Done
from farm.store import BlobStore, publish


def render_file(
    job: Job, out: Path, *, catalogue: Catalogue, on_progress: Callable[[Event], None]
) -> Done:
    """Make the picture of ``job``, whose pictures are local files, and write it to ``out``.

    Args:
        on_progress: is called with every event; on several devices from another thread than this one.

    Raises:
        InvalidInput: a picture cannot be used, or there are not as many devices as asked for.
        Unavailable: weights are missing, or ``out`` cannot be written.
    """
    devices = devices_for(job)
    keep_pages()  # before there are ranks: their threads would have arenas of their own
    with TemporaryDirectory(prefix="farm-") as folder:
        store = BlobStore(folder)
        _check_writable(out)

        def rank(mesh: Mesh) -> Done | None:
            place = Workplace(
                store, catalogue, load=Path, mesh=mesh, checkpoint_seconds=float("inf"),
                neighbours=len(devices) if mesh.device.type == "cpu" else 1,
            )  # fmt: skip
            return _run(Order(job, "print", 1, "this process"), place, on_progress)

        done = spmd(devices, rank)[0]
        assert done is not None, "a render without interruption ends with Done"
        _write(store.get(done.artefacts[0].blob), out)
    return done


def devices_for(job: Job) -> Sequence[torch.device]:
    """As many of this machine's devices as the job asks for: GPUs, or shares of the processor.

    A preview is one pass of a small net, and always made on one.

    Raises:
        InvalidInput: there are fewer.
    """
    wanted = ranks_of(job) or 1
    gpus = torch.cuda.device_count()
    there, what = (gpus, "GPU") if gpus else (os.cpu_count() or 1, "processor core")
    if wanted > there:
        raise InvalidInput(
            f"engine.devices: {wanted} are asked for, and this machine has {there} {what}"
            f"{'' if there == 1 else 's'}; ask for at most {there}.",
            field="engine.devices",
        )
    return [torch.device("cuda", number) if gpus else torch.device("cpu") for number in range(wanted)]


def _run(order: Order, place: Workplace, on_progress: Callable[[Event], None]) -> Done | None:
    """One rank's part; the end, which only rank 0 tells."""
    done = None
    preview = isinstance(order.job, PreviewJob)
    for event in render_preview(order, place) if preview else render(order, place):
        on_progress(event)
        if isinstance(event, Done):
            done = event
    return done


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
