"""``farm preview``: a quick look at a picture in a style."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from farm import settings
from farm.cli.connect import connect
from farm.cli.options import MAKE, Json
from farm.cli.out import emit, messages, say
from farm.errors import InvalidInput

if TYPE_CHECKING:
    from farm.catalog import Catalogue

FORMATS: dict[str, Literal["png", "jpeg", "tiff", "exr"]] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".exr": "exr",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=MAKE)(preview)


def preview(
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="The picture to repaint.")],
    style: Annotated[str, typer.Argument(metavar="STYLE", help="A picture, or a catalogue name.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The preview's path.")],
    size: Annotated[int, typer.Option(min=64, max=2048, help="Long edge in pixels.")] = 512,
    strength: Annotated[float, typer.Option(min=0, max=1, help="0 content, 1 all style.")] = 0.5,
    local: Annotated[bool, typer.Option("--local", help="Make it here, without a farm.")] = False,
    json: Json = False,
) -> None:
    """Show at once what a style does to a picture."""
    if FORMATS.get(out.suffix.lower(), "exr") == "exr":
        raise InvalidInput(
            f"out: {str(out)!r} ends in no format of previews; use .png, .jpg or .tif.", field="out"
        )
    make = _local if local else _remote
    report = make(content, style, out, size, strength)
    degraded = report.get("degraded")
    if json:
        emit({"path": str(out), **report})
        return
    say(str(out))
    messages().print(f"{report['width']}×{report['height']} by {report['model']}")
    if degraded:
        messages().print(f"The farm is busy: {degraded}. Ask again for all of it.")


def _remote(content: Path, style: str, out: Path, size: int, strength: float) -> dict[str, Any]:
    with connect() as client:
        made = client.preview(content, style, size=size, strength=strength)
    made.save(out)
    return {
        "width": made.width, "height": made.height, "seconds": made.seconds, "model": made.model,
        "fidelity": made.fidelity, "degraded": made.degraded, "kept": made.kept,
    }  # fmt: skip


def _local(content: Path, style: str, out: Path, size: int, strength: float) -> dict[str, Any]:
    from farm.catalog import Catalogue, models_folder
    from farm.dispatch.previews import local_preview
    from farm.dispatch.style_preview import is_style_net, style_net_preview
    from farm.imaging import encode

    catalogue = Catalogue(models_folder(settings.load()))
    if not Path(style).exists() and is_style_net(style, catalogue):
        model, picture = style, style_net_preview(content, style, size, strength, catalogue)
    else:
        source = _style_picture(style, catalogue)
        model, picture = "farm-preview", local_preview(content, source, size, strength, catalogue)
    encode(picture, out, format=FORMATS[out.suffix.lower()], bits=8)
    return {"width": picture.width, "height": picture.height, "model": model}


def _style_picture(style: str, catalogue: Catalogue) -> Path:
    """A path as it is; anything else is a name of the catalogue."""
    path = Path(style)
    return path if path.exists() else catalogue.style_path(style)
