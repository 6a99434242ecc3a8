"""The tree of commands. A module is added here by its name and adds its commands by itself."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import typer

MODULES = (
    "demo", "preview", "render", "compare", "submit", "quote",
    "jobs", "show", "watch", "fetch", "control",
    "models", "train", "styles",
    "local", "status", "projects", "costs", "backup", "store", "doctor", "bench", "simulate",
)  # fmt: skip
"""In the order of ``farm --help``. Each has ``register(app)``, which adds its commands to the app."""

app = typer.Typer(
    name="farm",
    help="A render farm for neural style transfer: previews at once, prints without seams.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


@app.callback()
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _name in MODULES:
    # A build of the client may leave out modules that only serve a farm.
    if find_spec(f"farm.cli.{_name}"):
        import_module(f"farm.cli.{_name}").register(app)
