"""``farm up`` and ``down``: a farm on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import typer

from farm import settings
from farm.cli.options import OPERATE
from farm.cli.out import messages
from farm.clock import SystemClock
from farm.errors import FarmError
from farm.settings import Settings
from farm.spec import JobState


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down):
        app.command(rich_help_panel=OPERATE)(command)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is up; 'farm down' stops it.")
    ] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="HTTP port.")] = None,
    dashboard_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the Ray dashboard.")
    ] = None,
) -> None:
    """Start a farm on this machine; Ctrl-C stops it."""
    from farm.tiers import local

    chosen = with_ports(settings.load(), port, dashboard_port)
    if detach:
        announce(local.up_detached(chosen, [sys.executable, "-m", "farm.cli", "up"]))
        messages().print("Stop it with 'farm down'.")
        return
    from farm.catalog import models_folder
    from farm.cli.house import build_gateway

    messages().print("Starting the farm …")
    local.up(chosen, build_gateway, models_folder(chosen), announce)
    messages().print("The farm is down; what was ordered is kept.")


def with_ports(chosen: Settings, port: int | None, dashboard_port: int | None) -> Settings:
    """The settings with other ports, in this process's environment too, for processes it starts."""
    wanted = {"port": port, "dashboard_port": dashboard_port}
    changed = {name: value for name, value in wanted.items() if value is not None}
    for name, value in changed.items():
        os.environ[f"FARM_{name.upper()}"] = str(value)
    return settings.load() if changed else chosen


def announce(facts: dict[str, Any]) -> None:
    """Say where the farm answers."""
    messages().print(f"The farm is up at {facts['url']} (Ray dashboard: {facts['dashboard']}).")


def down() -> None:
    """Stop the farm of this machine; what was ordered is kept."""
    from farm.tiers import local

    chosen = settings.load()
    if not local.state(chosen):
        messages().print(f"No farm was running in {chosen.folder}.")
        return
    worked_on = _standing(chosen)
    local.down(chosen)
    told = "".join(f" {sentence}" for sentence in _kept(_standing(chosen, worked_on)))
    messages().print(f"The farm is down.{told}", soft_wrap=True)


def _standing(chosen: Settings, jobs: Iterable[str] | None = None) -> dict[str, JobState]:
    """States of those jobs, by default of all that are being worked on; none without a database."""
    from farm.queue import open_queue

    try:
        queue = open_queue(chosen.database_url, SystemClock())
    except FarmError:
        return {}
    try:
        asked = {lease.job for lease in queue.held()} if jobs is None else jobs
        return {job: queue.job(job).state for job in asked}
    except FarmError:
        return {}
    finally:
        queue.close()


def _kept(standing: Mapping[str, JobState]) -> Iterator[str]:
    """What became of jobs that were being worked on."""
    back = sum(state is JobState.QUEUED for state in standing.values())
    held = sum(state is JobState.RUNNING for state in standing.values())
    if back:
        yield f"{_jobs(back)} went back to the queue; 'farm up' goes on from what is kept."
    if held:
        yield f"{_jobs(held)} did not stop in time; 'farm up' goes on from the last checkpoint."


def _jobs(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
