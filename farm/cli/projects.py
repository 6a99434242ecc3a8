"""``farm projects``, ``project set``, ``nodes`` and ``readmit``: who gets how much, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages
from farm.cli.status import nodes_table, projects_table
from farm.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from farm.client import Client

project_app = typer.Typer(help="Give a project its share of the farm.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (projects, nodes, readmit):
        app.command(rich_help_panel=OPERATE)(command)
    app.add_typer(project_app, name="project", rich_help_panel=OPERATE)


def projects(json: Json = False) -> None:
    """List projects: weight, limit, running and ready tasks."""
    with connect() as client:
        found = client.projects()
    if json:
        emit(found)
    else:
        projects_table(found)


@project_app.command("set")
def set_project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The project, as job files name it.")],
    weight: Annotated[
        float | None, typer.Option(help="Its share beside the others', which have 1.")
    ] = None,
    max_running: Annotated[
        int | None, typer.Option(min=0, help="Most of its tasks at a time; 0 holds all back.")
    ] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Any number of tasks.")] = False,
    json: Json = False,
) -> None:
    """Change a project's weight or limit; what is not given stays as it is."""
    if weight is None and max_running is None and not no_limit:
        raise InvalidInput("project: nothing to set; give --weight, --max-running or --no-limit.")
    if max_running is not None and no_limit:
        raise InvalidInput("max-running: --no-limit is given, too; give one of them.")
    with connect() as client:
        old = next((p for p in client.projects() if p.name == name), None)
        if weight is None:
            weight = old.weight if old else 1.0
        if max_running is None and not no_limit:
            max_running = old.max_running if old else None
        changed = client.set_project(name, weight=weight, max_running=max_running)
    if json:
        emit(changed)
    else:
        projects_table([changed])


def nodes(json: Json = False) -> None:
    """List machines where tasks failed, and which of them get no more tasks and why."""
    with connect() as client:
        found = client.nodes()
    if json:
        emit(found)
    elif found:
        nodes_table(found)
    else:
        messages().print("No task has failed on any node.")


def readmit(
    node: Annotated[str, typer.Argument(metavar="NODE", help="As 'farm nodes' lists it.")],
    json: Json = False,
) -> None:
    """Give a machine tasks again that was taken out."""
    with connect() as client:
        back = client.readmit(_whole(client, node))
    if json:
        emit(back)
    else:
        nodes_table([back])


def _whole(client: Client, node: str) -> str:
    """The one node whose name begins so: tables show the beginning only."""
    names = [known.name for known in client.nodes() if known.name.startswith(node)]
    if node in names or not names:
        return node
    if len(names) > 1:
        raise NotFound(f"node: {node!r} fits {len(names)} nodes; write more of its name.", field="node")
    return names[0]
