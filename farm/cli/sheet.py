"""The contact sheet of a job: content, style, preview, scales and final side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from farm import settings
from farm.catalog import Catalogue, models_folder
from farm.client.fetching import plan
from farm.imaging import Cell, contact_sheet, decode
from farm.spec import Event, Job
from farm.spec.event import Done, Rendition


def write_sheet(path: Path, job: Job, events: Sequence[Event], folder: Path) -> None:
    """Write the sheet of a job whose pictures were fetched into ``folder``."""
    names = {wanted.blob: wanted.name for wanted in plan(events)}
    cells = [_cell(Path(job.content), "Content", Path(job.content).name), *_styles(job)]
    for event in events:
        if isinstance(event, Rendition):
            cells.append(_cell(folder / names[event.picture.blob], *_caption(event)))
    done = next(event for event in reversed(events) if isinstance(event, Done))
    styles = ", ".join(style.name or Path(style.image or "").stem for style in job.styles)
    sheet = contact_sheet(
        cells,
        title=f"{Path(job.content).stem} in {styles}",
        footer=f"{done.extractor}, {done.precision}, {done.pool}, {done.seconds:.0f} s",
    )
    Image.fromarray((np.clip(sheet, 0, 1) * 255 + 0.5).astype(np.uint8)).save(path, optimize=True)


def _styles(job: Job) -> list[Cell]:
    catalogue = Catalogue(models_folder(settings.load()))
    cells = []
    for style in job.styles:
        path = catalogue.style_path(style.name) if style.name else Path(style.image or "")
        cells.append(_cell(path, "Style", style.name or path.name))
    return cells


def _cell(path: Path, title: str, caption: str) -> Cell:
    return Cell(decode(path).pixels, title, caption)


def _caption(event: Rendition) -> tuple[str, str]:
    title = {"preview": "Preview", "scale": "Scale", "final": "Final"}[event.fidelity]
    return title, f"{event.width}x{event.height}, {event.seconds:.1f} s"
