"""``farm demo``: a farm, a preview, a print, and a folder with all of it, in about two minutes."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from farm import settings
from farm.cli.options import MAKE
from farm.cli.out import messages
from farm.errors import InvalidInput, JobFailed
from farm.spec.words import duration, money

if TYPE_CHECKING:
    from farm.client import Client, JobHandle
    from farm.spec.event import Done, Event

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Story:
    """What happened and how long it took."""

    stages: dict[str, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = monotonic()
        yield
        self.stages[name] = monotonic() - began

    @property
    def done(self) -> Done:
        """The job's last event. Raises JobFailed if it did not end well."""
        last = self.events[-1]
        if last.kind != "done":
            raise JobFailed(f"the demo's print ended as {last.kind}; its log is in events.jsonl.")
        return last


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what it makes.")] = Path(
        "out/demo"
    ),
    jobfile: Annotated[Path | None, typer.Option("--job", help="Another job file to print.")] = None,
) -> None:
    """Start a farm, preview a photograph, print it, and show everything it made."""
    chosen = jobfile or CHECKOUT / "jobs" / "print-1024.yaml"
    if not chosen.exists():
        raise InvalidInput(f"job: {chosen} is not there; name a job file with --job.", field="job")
    with _home() as home:
        os.environ.update(FARM_HOME=str(home), FARM_PORT=str(_free_port()))
        os.environ["FARM_DASHBOARD_PORT"] = str(_free_port())
        try:
            story = _play(chosen, out)
        except KeyboardInterrupt:
            messages().print("Stopped; the farm is down again.")
            raise
    _tell(story, out, chosen)


def _play(jobfile: Path, out: Path) -> Story:
    from farm.catalog import models_folder
    from farm.cli.house import build_gateway
    from farm.cli.memory import MemoryWatch
    from farm.client import Client
    from farm.tiers import local

    story, chosen = Story(), settings.load()
    messages().print("Starting a farm on this machine …")
    with MemoryWatch() as memory:
        began = monotonic()
        with local.running(chosen, build_gateway, models_folder(chosen)) as facts:
            story.stages["farm up"] = monotonic() - began
            messages().print(f"  {facts['url']}   Ray dashboard {facts['dashboard']}")
            with Client(chosen.farm_url) as client:
                _make(client, jobfile, out, story)
            began = monotonic()
        story.stages["farm down"] = monotonic() - began
    story.stages["peak memory"] = memory.peak
    return story


def _make(client: Client, jobfile: Path, out: Path, story: Story) -> None:
    from farm.client import jobfile as jobfiles

    job = jobfiles.read(jobfile)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*"):
        if old.is_file():
            old.unlink()
    content, style = Path(job.content), job.styles[0]
    with story.stage("first preview"):
        preview = client.preview(content, style.name or Path(style.image or ""), size=512)
        preview.save(out / "00-preview-512.jpg")
    messages().print(
        f"Preview {preview.width}×{preview.height} by {preview.model} in "
        f"{story.stages['first preview']:.2f} s: {out / '00-preview-512.jpg'}"
    )
    quote = client.quote(job).decision
    messages().print(
        f"Ordering {jobfile.name}: about {duration(quote.chosen.p50_seconds)} and "
        f"{money(quote.chosen.p50_usd)} on {quote.chosen.pool} ({quote.reason})",
        soft_wrap=True,
    )
    with story.stage("print"):
        handle = client.submit(job)
        _watch(handle, story)
    story.done  # noqa: B018 — raises where the print did not end well
    with story.stage("fetch and sheet"):
        handle.fetch(out)
        from farm.cli.sheet import write_sheet

        write_sheet(out / "contact-sheet.png", job, story.events, out)


def _watch(handle: JobHandle, story: Story) -> None:
    from farm.cli.view import View

    with View(messages()) as view:
        for event in handle.events():
            story.events.append(event)
            view.show(event)


def _tell(story: Story, out: Path, jobfile: Path) -> None:
    done = story.done
    console = messages()
    table = Table(title="What it took", title_justify="left", box=None, show_header=False)
    for name in ("farm up", "first preview", "print", "fetch and sheet", "farm down"):
        table.add_row(name, f"{story.stages[name]:.2f} s")
    for stage in done.stages:
        table.add_row(f"  print: {stage.name}", f"{stage.seconds:.2f} s")
    table.add_row("peak memory, all processes", f"{story.stages['peak memory'] / 1e9:.2f} GB")
    table.add_row("cost of the print", money(done.usd))
    table.add_row("extractor", done.extractor)
    table.add_row("pool", done.pool)
    table.add_row("precision", done.precision)
    console.print(table)
    console.print(f"\nEverything is in {out}:")
    for path in sorted(out.iterdir()):
        console.print(f"  {path.name:<32} {path.stat().st_size / 1e6:6.2f} MB")
    console.print(
        "\nOpen contact-sheet.png first. Next:\n"
        "  .venv/bin/farm up                      a farm that stays, with a web page at its address\n"
        f"  .venv/bin/farm submit {_short(jobfile.parent / 'print-a4.yaml')} --watch\n"
        "  .venv/bin/farm styles list             the styles of the catalogue",
        soft_wrap=True,
    )


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@contextmanager
def _home() -> Iterator[Path]:
    """A home of its own, so that the demo meets no other farm; removed with all its jobs."""
    folder = Path(tempfile.mkdtemp(prefix="farm-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
