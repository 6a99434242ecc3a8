"""This machine: its memory and its clock."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from farm.cli.checks.row import Doubt
from farm.cli.checks.state import home
from farm.clock import Clock
from farm.errors import Unavailable
from farm.settings import Settings

GB = 1e9
LEAST_GB, COMFORTABLE_GB = 1.0, 4.0
SHARED_GB = 0.3
"""Ray's object store as the farm starts it, and the rings of its workers."""
RELEASED = 1_767_225_600.0
"""2026-01-01; a clock before it is wrong."""
MAX_SKEW = 60.0
DOUBTFUL_SKEW = 5.0
SHARED = Path("/dev/shm")  # noqa: S108 - where Linux has it


def memory(settings: Settings, clock: Clock) -> str | Doubt:
    """Enough is free for the farm's own processes and a small print."""
    import torch

    from farm.engine.memory import free_bytes

    free = free_bytes(torch.device("cpu")) / GB
    found = f"{free:.1f} GB free"
    if free < LEAST_GB:
        raise Unavailable(f"{found}; stop what uses it, or give the container more.")
    if free < COMFORTABLE_GB:
        return Doubt(found, "prints will use small tiles; an A4 at 300 dpi likes 4 GB")
    return found


def shared_memory(settings: Settings, clock: Clock) -> str | Doubt:
    """Ray's object store fits into shared memory; else it falls back to the disk."""
    if not SHARED.is_dir():
        return "not used on this system"
    free = shutil.disk_usage(SHARED).free / GB
    if free < SHARED_GB:
        return Doubt(f"{free:.2f} GB free", "give the container more, e.g. docker run --shm-size=1g")
    return f"{free:.1f} GB free"


def clocks(settings: Settings, clock: Clock) -> str | Doubt:
    """The clock is right, and agrees with the folder's and with the database server's.

    Leases end by it: a machine that is ahead takes tasks from workers that are well.
    """
    if clock.now() < RELEASED:
        raise Unavailable("the clock is before 2026; set it, e.g. 'timedatectl set-ntp true'.")
    skews = {str(settings.folder): _folders_skew(settings, clock)}
    if not settings.database_url.startswith("sqlite"):
        skews["the database"] = _servers_skew(settings, clock)
    name, worst = max(skews.items(), key=lambda item: abs(item[1]))
    if abs(worst) > MAX_SKEW:
        raise Unavailable(f"{name} is {worst:+.0f} s off this machine; set both clocks.")
    if abs(worst) > DOUBTFUL_SKEW:
        return Doubt(f"{name} is {worst:+.1f} s off", "set both clocks, e.g. timedatectl set-ntp true")
    return ", ".join(f"{name} {skew:+.1f} s off" for name, skew in skews.items())


def _folders_skew(settings: Settings, clock: Clock) -> float:
    home(settings, clock)
    with tempfile.NamedTemporaryFile(dir=settings.folder) as file:
        return Path(file.name).stat().st_mtime - clock.now()


def _servers_skew(settings: Settings, clock: Clock) -> float:
    from sqlalchemy import text

    from farm.cli.databases import reached

    with reached(settings.database_url) as connection:
        connection.execute(text("SELECT 1"))  # connecting is not part of the difference
        before = clock.now()
        found = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        return float(found) - (before + clock.now()) / 2
