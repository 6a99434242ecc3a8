"""``farm render``: make a print in this process, without a farm."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from farm import settings
from farm.cli.options import MAKE, JobFile, Json, Overrides
from farm.cli.out import emit, messages, say
from farm.cli.preview import FORMATS
from farm.cli.view import View
from farm.clock import Clock, SystemClock
from farm.errors import InvalidInput
from farm.spec import Event, Job


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(render)


def render(
    jobfile: JobFile,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The picture's path.")],
    overrides: Overrides = None,
    json: Json = False,
) -> None:
    """Make what a job file describes here and now, without a farm."""
    from farm.catalog import Catalogue, check_rights, models_folder
    from farm.client import jobfile as jobfiles
    from farm.dispatch.inprocess import render_file
    from farm.engine.memory import keep_pages

    keep_pages()  # before the bars have a thread: it would share its arena with one of the ranks
    catalogue = Catalogue(models_folder(settings.load()))
    job = jobfiles.read(jobfile, overrides or ())
    check_suffix(out, job)
    check_rights(job, catalogue)
    if json:
        render_file(job, out, catalogue=catalogue, on_progress=numbered(emit, SystemClock()))
        return
    with View(messages()) as view:
        render_file(job, out, catalogue=catalogue, on_progress=numbered(view.show, SystemClock()))
    say(str(out))


def check_suffix(out: Path, job: Job) -> None:
    """Refuse, before the work, to write a file that its name does not fit.

    Raises:
        InvalidInput: the ending of ``out`` is not one of the job's format.
    """
    wanted, named = job.output.format, FORMATS.get(out.suffix.lower())
    if named == wanted:
        return
    endings = " or ".join(suffix for suffix, name in FORMATS.items() if name == wanted)
    remedy = f"add --set output.format={named}, or " if named else ""
    raise InvalidInput(
        f"output.format: {wanted!r} does not go with {out.name!r}; {remedy}end its name in {endings}.",
        field="output.format",
    )


def numbered(show: Callable[[Event], None], clock: Clock) -> Callable[[Event], None]:
    """``show``, given each event with its number and time, as the queue would have written them."""
    numbers = count(1)

    def stamped(event: Event) -> None:
        show(event.model_copy(update={"seq": next(numbers), "at": clock.now()}))

    return stamped
