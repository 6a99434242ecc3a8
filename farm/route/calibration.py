"""This machine's entry in the accelerator catalogue, measured by ``farm bench engine`` or assumed.

The entries are in ``accelerators.json`` in the farm's home. An entry is used only on a machine with
the same number of cores; without one, or for an extractor it lacks, the assumption below holds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from farm.errors import Unavailable
from farm.route.accelerator import Accelerator, Pool, Speed
from farm.settings import Settings

FILE = "accelerators.json"
LOCAL_POOL = "local"
STARTUP_SECONDS = 3.0
GPU_STARTUP_SECONDS = 2 * STARTUP_SECONDS
"""Assumed until it is measured: a process on a GPU also loads its driver's libraries."""

ASSUMED_PER_CORE = {
    "farm-texture": Speed(rate_inf=0.12, p_half=0.01),
    "vgg19": Speed(rate_inf=0.04, p_half=0.01),
    "farm-preview": Speed(rate_inf=1.0, p_half=0.01),
}
"""Megapixel-iterations per second and core: cautious guesses, until this machine is measured."""

_ENTRIES = TypeAdapter(dict[str, Accelerator])


def read(folder: Path) -> dict[str, Accelerator]:
    """The measured accelerators of a farm's home by name; empty where none was measured.

    Raises:
        Unavailable: the file is there but cannot be read.
    """
    path = folder / FILE
    try:
        return _ENTRIES.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValidationError):
        raise Unavailable(
            f"{path}: not a catalogue of accelerators; delete it and run 'farm bench engine'."
        ) from None


def write(folder: Path, accelerator: Accelerator) -> None:
    """Add ``accelerator`` or replace the entry of its name.

    Raises:
        Unavailable: the folder cannot be written, or the file in it cannot be read.
    """
    entries = {**read(folder), accelerator.name: accelerator}
    path = folder / FILE
    partial = path.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = {name: entry.model_dump(mode="json") for name, entry in entries.items()}
        partial.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise Unavailable(
            f"{path}: cannot be written ({error.strerror}); set FARM_HOME to a folder you may write."
        ) from None


def record(
    settings: Settings, extractor: str, speed: Speed, checkpoint_seconds: float | None = None,
    gpu: str = "",
) -> Accelerator:  # fmt: skip
    """Keep a measured ``speed`` of ``extractor`` on this machine; returns the machine's new entry.

    Args:
        checkpoint_seconds: those to keep the state of a megapixel, where they were measured.
        gpu: the GPU that it was measured on, by its name in the catalogue; the processor if absent.

    Raises:
        Unavailable: as in ``write``.
    """
    blank = assumed(settings)
    if gpu:  # what was not measured is the catalogue's to say
        blank = blank.model_copy(
            update={"name": gpu, "kind": "cuda", "startup_seconds": GPU_STARTUP_SECONDS}
        )
    measured = read(settings.folder).get(blank.name)
    speeds = measured.speeds if measured else {}
    entry = blank.model_copy(update={"speeds": {**speeds, extractor: speed}})
    known = checkpoint_seconds or (measured.checkpoint_seconds if measured else None)
    if known is not None:
        entry = entry.model_copy(update={"checkpoint_seconds": known})
    write(settings.folder, entry)
    return entry


def local(settings: Settings) -> Accelerator:
    """This machine: measured speeds where there are some, assumptions elsewhere, today's price.

    Raises:
        Unavailable: the file of measurements cannot be read.
    """
    machine = assumed(settings)
    measured = read(settings.folder).get(machine.name)
    if measured is None:
        return machine
    return machine.model_copy(
        update={
            "speeds": {**machine.speeds, **measured.speeds},
            "checkpoint_seconds": measured.checkpoint_seconds,
        }
    )


def local_pools(settings: Settings) -> tuple[Pool, ...]:
    """The pools of a farm on one machine: its processor, once.

    Raises:
        Unavailable: the file of measurements cannot be read.
    """
    return (Pool(name=LOCAL_POOL, accelerator=local(settings)),)


def assumed(settings: Settings) -> Accelerator:
    """This machine with nothing measured; what it is assumed to do is on the low side."""
    count = cores(settings)
    return Accelerator(
        name=_name(count),
        kind="cpu",
        speeds={
            name: speed.model_copy(update={"rate_inf": speed.rate_inf * count})
            for name, speed in ASSUMED_PER_CORE.items()
        },
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        usd_per_hour=settings.cpu_price_usd_h * count,
        startup_seconds=STARTUP_SECONDS,
    )


def cores(settings: Settings) -> int:
    """Cores the farm may use on this machine."""
    return settings.cpus or os.cpu_count() or 1


def _name(count: int) -> str:
    return f"cpu-{count}"
