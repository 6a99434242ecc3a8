"""``farm models``: which models are here and whether they are whole."""

from __future__ import annotations

import typer

from farm import settings
from farm.catalog import Catalogue, models_folder
from farm.cli.options import CATALOGUE, Json
from farm.cli.out import emit, say, table
from farm.errors import Unavailable

models_app = typer.Typer(help="List, verify, pull and train models.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group; ``farm.cli.train`` adds ``train`` and ``pull`` to it."""
    app.add_typer(models_app, name="models", rich_help_panel=CATALOGUE)


@models_app.command("list")
def list_models(json: Json = False) -> None:
    """List the models of this machine."""
    cards = Catalogue(models_folder(settings.load())).models()
    if json:
        emit(cards)
        return
    table(
        ("MODEL", "VERSION", "KIND", "SIZE", "LICENCE", "WHAT"),
        [
            (c.name, c.version, c.kind, f"{c.bytes / 1e6:.1f} MB", c.licence, c.description)
            for c in cards
        ],
    )


@models_app.command()
def verify(json: Json = False) -> None:
    """Compare every model and style with the hash in its card."""
    catalogue = Catalogue(models_folder(settings.load()))
    findings = catalogue.verify()
    if json:
        emit([{"kind": f.kind, "name": f.name, "ok": f.ok, "problem": f.problem} for f in findings])
    else:
        for finding in findings:
            verdict = "ok" if finding.ok else finding.problem
            say(f"{finding.kind} {finding.name}: {verdict}")
    if not findings:
        raise Unavailable(f"models: {catalogue.folder} holds none; set FARM_MODELS to their folder.")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
