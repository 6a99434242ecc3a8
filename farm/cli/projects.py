"""``farm projects``, ``project set``, ``nodes`` and ``readmit``: who gets how much, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.connect import connect
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, messages
from farm.cli.status import nodes_table, projects_table
from farm.errors import InvalidInput, NotFound
from farm.spec.cost import Period
from farm.spec.farm import Project

if TYPE_CHECKING:
    from farm.client import Client

project_app = typer.Typer(help="Give a project its share of the farm.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (projects, nodes, readmit):
        app.command(rich_help_panel=OPERATE)(command)
    app.add_typer(project_app, name="project", rich_help_panel=OPERATE)


def projects(json: Json = False) -> None:
    """List projects: weight, limit, running and ready tasks, what they spent and may spend."""
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
    cap: Annotated[
        float | None, typer.Option(metavar="USD", min=0, help="Most that it may spend in a period.")
    ] = None,
    period: Annotated[
        Period | None, typer.Option(help="What the cap is for, in UTC; at first, a month.")
    ] = None,
    no_cap: Annotated[bool, typer.Option("--no-cap", help="It may spend what it likes.")] = False,
    json: Json = False,
) -> None:
    """Change a project's weight, limit or cap; what is not given stays as it is."""
    share = weight is not None or max_running is not None or no_limit
    money = cap is not None or period is not None or no_cap
    if not (share or money):
        raise InvalidInput(
            "project: nothing to set; give --weight, --max-running, --no-limit, --cap, --period or "
            "--no-cap."
        )
    _refuse_both("max-running", max_running is not None and no_limit, "--no-limit")
    _refuse_both("cap", cap is not None and no_cap, "--no-cap")
    with connect() as client:
        old = next((p for p in client.projects() if p.name == name), None)
        old = old or Project(name=name, weight=1.0, max_running=None)
        if share:
            limit = old.max_running if max_running is None and not no_limit else max_running
            weight = old.weight if weight is None else weight
            changed = client.set_project(name, weight=weight, max_running=limit)
        if money:
            most = old.cap_usd if cap is None and not no_cap else cap
            changed = client.set_cap(name, most, period=period or old.period)
    if json:
        emit(changed)
    else:
        projects_table([changed])


def _refuse_both(option: str, both: bool, other: str) -> None:
    if both:
        raise InvalidInput(f"{option}: {other} is given, too; give one of them.")


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
