"""``farm styles``: the looks that jobs can name, and adding one's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from farm import settings
from farm.catalog import Catalogue, StyleCard, digest, models_folder, write_card
from farm.catalog.cards import CARD
from farm.catalog.catalogue import STYLES
from farm.catalog.rights import is_licence
from farm.cli.options import CATALOGUE, Json
from farm.cli.out import emit, say, table
from farm.errors import Conflict, InvalidInput, Refused, Unavailable
from farm.spec.job import NAME

SUFFIXES = {"png": "png", "jpeg": "jpg", "tiff": "tiff", "webp": "webp", "exr": "exr"}

styles_app = typer.Typer(help="List, show and add styles.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(styles_app, name="styles", rich_help_panel=CATALOGUE)


@styles_app.command("list")
def list_styles(json: Json = False) -> None:
    """List the styles of this machine's catalogue."""
    cards = Catalogue(models_folder(settings.load())).styles()
    if json:
        emit(cards)
        return
    table(
        ("STYLE", "TITLE", "LICENCE", "SOURCE", "TAGS"),
        [(c.name, c.title, c.licence, c.source, " ".join(c.tags)) for c in cards],
    )


@styles_app.command()
def show(name: str, json: Json = False) -> None:
    """Show a style's card and where its picture is."""
    catalogue = Catalogue(models_folder(settings.load()))
    card, path = catalogue.style(name), catalogue.style_path(name)
    if json:
        emit({**card.model_dump(mode="json"), "path": str(path)})
        return
    for field, value in card.model_dump(exclude_none=True).items():
        say(f"{field:<12} {' '.join(value) if field == 'tags' else value}")
    say(f"{'path':<12} {path}")


@styles_app.command()
def add(
    name: Annotated[str, typer.Argument(help="What jobs will call it.")],
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="PNG, JPEG, TIFF or WebP.")],
    licence: Annotated[str, typer.Option(help="SPDX id such as CC0-1.0, or own or commissioned.")],
    source: Annotated[str, typer.Option(help="Who made it or where it comes from.")],
    title: Annotated[str, typer.Option(help="Default: its name.")] = "",
    description: Annotated[str, typer.Option(help="What it looks like.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    json: Json = False,
) -> None:
    """Add a picture to the catalogue as a style."""
    from farm.imaging import decode, inspect

    if not re.fullmatch(NAME, name):
        raise InvalidInput(
            f"name: {name!r} is not valid; use letters, digits, '.', '_' and '-'.",
            field="name",
        )
    if not is_licence(licence) or not source.strip():
        raise Refused(
            f"licence: {licence!r} from {source!r} is no right to use a picture; "
            "give e.g. --licence CC0-1.0 --source 'Jane Doe, 2024'.",
            field="licence",
        )
    decode(picture, field="picture")
    file = f"style.{SUFFIXES[inspect(picture, field='picture').format]}"
    folder = models_folder(settings.load()) / STYLES / name
    path = _keep(picture, folder, file)
    card = StyleCard(
        name=name, title=title or name, file=file, sha256=digest(path), licence=licence, source=source,
        description=description, tags=tuple(tag or ()),
    )  # fmt: skip
    write_card(folder, card)
    if json:
        emit(card)
    else:
        say(f"{name} {path}")


def _keep(picture: Path, folder: Path, file: str) -> Path:
    """Copy the picture into a new folder of the catalogue."""
    if (folder / CARD).exists():
        raise Conflict(
            f"name: there is a style {folder.name!r} already; choose another name or delete {folder}."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(picture, folder / file))
    except OSError as error:
        raise Unavailable(
            f"{folder}: cannot be written ({error.strerror}); set FARM_MODELS to one you may write."
        ) from None
