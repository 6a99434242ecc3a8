"""``farm compare``: a job printed small once for every option, side by side on one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm import settings
from farm.cli.options import MAKE, JobFile, Json, Overrides
from farm.cli.out import emit, messages, say
from farm.cli.preview import FORMATS
from farm.errors import InvalidInput
from farm.spec import Job

if TYPE_CHECKING:
    from farm.catalog import Catalogue
    from farm.imaging import Cell
    from farm.imaging.picture import Array

JPEG_QUALITY = 70
WIDTH = 1648
"""Of the sheet, in pixels: three cells of about 500 and the margins."""


@dataclass(frozen=True)
class Variant:
    """A cell: what is set over the job, which of its styles are left, and whether each has a mask."""

    title: str
    sets: tuple[str, ...] = ()
    styles: tuple[int, ...] = (0,)
    masked: bool = False
    note: str = ""

    @property
    def caption(self) -> str:
        """What to write into a job file, or give to ``--set``, for this."""
        return self.note or " ".join(self.sets)


def _each(field: str, *values: object) -> tuple[Variant, ...]:
    return tuple(Variant(str(value), (f"{field}={value}",)) for value in values)


def _feathered(*values: float) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            f"feather {value:g}",
            (f"styles.0.feather={value:g}", f"styles.1.feather={value:g}"),
            (0, 1),
            masked=True,
        )
        for value in values
    )


ROWS: Mapping[str, tuple[Variant, ...]] = {
    "Presets: how long each scale is worked on": _each("quality.preset", "draft", "standard", "fine"),
    "Colours: the style's, or the content's kept": _each(
        "quality.colour", "style", "content", "statistics"
    ),
    "Masks: one style in a disc, another around it": _feathered(0, 0.04, 0.12),
    "Blends: weights of two styles": (
        Variant("1 : 0", note="the first style alone"),
        Variant("1 : 1", ("styles.0.weight=1", "styles.1.weight=1"), (0, 1)),
        Variant("0 : 1", styles=(1,), note="the second style alone"),
    ),
    "Scale: the size of the style's features": _each("styles.0.scale", 0.5, 1, 2),
    "Strength: content against style": _each("quality.strength", 0.2, 0.5, 0.9),
    "Start: what is optimised from": _each("quality.init", "content", "noise", "preview"),
}
"""What is compared, by the title of the row."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(compare)


def compare(
    jobfile: JobFile,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The sheet's path.")],
    size: Annotated[int, typer.Option(min=64, max=2048, help="Long edge of a print in pixels.")] = 480,
    overrides: Overrides = None,
    json: Json = False,
) -> None:
    """Print a job small with every option and lay the prints side by side."""
    from farm.catalog import Catalogue, check_rights, models_folder
    from farm.client import jobfile as jobfiles

    if FORMATS.get(out.suffix.lower(), "exr") == "exr":
        raise InvalidInput(
            f"out: {str(out)!r} ends in no format of sheets; use .jpg, .png or .tif.", field="out"
        )
    catalogue = Catalogue(models_folder(settings.load()))
    job = jobfiles.read(jobfile, overrides or ())
    check_rights(job, catalogue)
    with TemporaryDirectory(prefix="farm-") as folder:
        pixels = sheet(job, size, catalogue, Path(folder))
    _save(pixels, out)
    if json:
        emit({"path": str(out), "width": pixels.shape[1], "height": pixels.shape[0]})
        return
    say(str(out))


def sheet(job: Job, size: int, catalogue: Catalogue, folder: Path) -> Array:
    """The whole sheet, ``(height, width, 3)`` from 0 to 1; ``folder`` is for files on the way."""
    import numpy as np

    from farm.imaging import contact_sheet

    given = sources(job, catalogue, folder)
    parts = [contact_sheet(list(given.values()), width=WIDTH, title="What is given")]
    masks = [folder / f"{name}.png" for name in ("disc", "around")]
    made: dict[str, Array] = {}
    for title, variants in rows(len(job.styles)).items():
        cells = list(_cells(job, variants, size, catalogue, masks, made))
        parts.append(contact_sheet(cells, width=WIDTH, title=title))
    return np.concatenate(parts)


def rows(styles: int) -> dict[str, tuple[Variant, ...]]:
    """Those of ``ROWS`` that a job with so many styles can be made for."""
    return {
        title: variants
        for title, variants in ROWS.items()
        if all(max(variant.styles) < styles for variant in variants)
    }


def sources(job: Job, catalogue: Catalogue, folder: Path) -> dict[str, Cell]:
    """The job's pictures and the mask; ``disc.png`` and ``around.png`` are left in the folder."""
    import numpy as np

    from farm.imaging import Cell, decode

    content = decode(Path(job.content)).pixels
    cells = {"content": Cell(content, "content", Path(job.content).name)}
    for index, style in enumerate(job.styles[:2]):
        path = catalogue.style_path(style.name) if style.name else Path(style.image or "")
        cells[f"style {index}"] = Cell(decode(path).pixels, f"styles.{index}", style.name or path.name)
    if len(job.styles) > 1:
        disc = np.repeat(_disc(*content.shape[:2])[..., None], 3, axis=2)
        _save(disc, folder / "disc.png")
        _save(1 - disc, folder / "around.png")
        cells["mask"] = Cell(disc, "styles.0.mask", "disc.png")
    return cells


def variant_job(job: Job, variant: Variant, size: int, masks: Sequence[Path]) -> Job:
    """The job of a cell.

    Raises:
        InvalidInput: what the variant sets cannot be set.
    """
    from farm.client import jobfile as jobfiles

    data: dict[str, Any] = job.model_dump(mode="json")
    data["kind"], data["output"] = "print", {"long_edge": size, "format": "png"}
    data["styles"] = [data["styles"][index] for index in variant.styles]
    if variant.masked:
        for style, mask in zip(data["styles"], masks, strict=True):
            style["mask"] = str(mask)
    return jobfiles.job_of(data, variant.sets)


def _cells(
    job: Job, variants: Sequence[Variant], size: int, catalogue: Catalogue, masks: Sequence[Path],
    made: dict[str, Array],
) -> Iterator[Cell]:  # fmt: skip
    """Prints, each job once: rows have some in common."""
    from farm.dispatch.inprocess import render_file
    from farm.imaging import Cell, decode

    for variant in variants:
        asked = variant_job(job, variant, size, masks)
        key, began = asked.model_dump_json(), monotonic()
        if key not in made:
            path = masks[0].with_name("print.png")
            render_file(asked, path, catalogue=catalogue, on_progress=lambda _: None)
            made[key] = decode(path).pixels
        messages().print(f"{variant.caption}: {monotonic() - began:.0f} s")
        yield Cell(made[key], variant.title, variant.caption)


def _disc(height: int, width: int) -> Array:
    """White within a disc that touches no edge, black around it, ``(h, w)``."""
    import numpy as np

    rows, columns = np.ogrid[:height, :width]
    away = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    disc: Array = (away < 0.4 * min(height, width)).astype(np.float32)
    return disc


def _save(pixels: Array, path: Path) -> None:
    """Write ``(h, w, 3)`` values from 0 to 1 with 8 bits."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 255).round().astype("uint8")).save(
        path, quality=JPEG_QUALITY, optimize=True
    )
