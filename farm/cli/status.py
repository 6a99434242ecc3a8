"""``farm status``: the whole farm at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from farm import settings
from farm.cli.connect import connect
from farm.cli.options import OPERATE, Json
from farm.cli.out import emit, moment, say, table
from farm.errors import FarmError, Unavailable, Unreachable
from farm.spec.words import money

if TYPE_CHECKING:
    from farm.settings import Settings
    from farm.spec.farm import FarmView, Node, Process, Project

RAYS = "ray"
"""The role of processes that are Ray's own; in the table they are one line."""
STATE = "farm.json"
"""Where a running farm writes about itself, in its home; left behind by one that was killed."""
ANSWER_SECONDS = 10.0
NODE_DIGITS = 12
"""Of a node's id, in tables: enough to tell them apart, and taken by ``farm readmit``."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=OPERATE)(status)


def status(json: Json = False) -> None:
    """Show the farm's processes, jobs by state, projects and nodes."""
    chosen = settings.load()
    here, view, silent = _here(chosen), None, None
    try:
        with connect(ANSWER_SECONDS) as client:
            view = client.farm()
    except (Unreachable, Unavailable) as error:
        silent = error
    if view is None and here is not None:
        from farm.tiers import local

        view = local.status(chosen)
    if view is not None and here is not None:
        view = _with_head(view, here["pid"])
    if json:
        facts = {"running": view is not None, "answers": silent is None, "url": chosen.farm_url}
        emit({**facts, **(here or {}), **(view.model_dump(mode="json") if view else {})})
    elif view is not None:
        show(view, chosen.farm_url, here or {}, answers=silent is None)
    if silent is not None:
        raise _silence(chosen, silent, runs=view is not None)


def _silence(chosen: Settings, why: FarmError, *, runs: bool) -> FarmError:
    """The sentence for a gateway that does not answer."""
    if runs:
        return type(why)(
            f"the gateway does not answer ({why.message.rstrip('.')}), so this is what can be seen "
            "without it; Ray starts it again by itself, and 'farm doctor' looks closer."
        )
    if (chosen.folder / STATE).exists():
        rest = f"the one of {chosen.folder} was killed; 'farm up' starts it again."
    else:
        rest = f"none runs in {chosen.folder}; start one with 'farm up'."
    return Unreachable(f"no farm answers at {chosen.farm_url}, and {rest}")


def show(view: FarmView, url: str, here: dict[str, Any], *, answers: bool = True) -> None:
    """The view as tables on stdout."""
    version = f", version {view.version}" if answers else ""
    say(f"farm        {'up' if answers else 'up, but does not answer,'} at {url}{version}")
    say(f"dispatcher  {_dispatcher(view) if answers else _seen(view)}")
    if here:
        say(f"home        {here['home']}")
        say(f"dashboard   {here['dashboard']}  (token: {here['dashboard_token']})")
    held = [f"{number} {state}" for state, number in view.jobs.items() if number]
    say(f"jobs        {', '.join(held) or 'none'}")
    notes = [view.dispatcher.note] if view.dispatcher and view.dispatcher.note else []
    for problem in (*notes, *view.problems):
        say(f"problem     {problem}")
    if view.projects:
        say("")
        projects_table(view.projects)
    if view.nodes:
        say("")
        nodes_table(view.nodes)
    if view.processes:
        say("")
        _processes_table(view.processes)


def projects_table(projects: tuple[Project, ...] | list[Project]) -> None:
    """Each project's share, and what it has of it."""
    headings: tuple[str, ...] = ("PROJECT", "WEIGHT", "RUNNING", "MAX", "READY")
    rows: list[tuple[object, ...]] = [
        (p.name, f"{p.weight:g}", p.running, "–" if p.max_running is None else p.max_running, p.ready)
        for p in projects
    ]
    if any(p.cap_usd is not None or p.spent_usd for p in projects):
        headings = (*headings, "SPENT", "PROMISED", "CAP", "PERIOD")
        rows = [(*row, *_money(project)) for row, project in zip(rows, projects, strict=True)]
    table(headings, rows)


def _money(project: Project) -> tuple[str, str, str, str]:
    cap = "–" if project.cap_usd is None else money(project.cap_usd)
    return money(project.spent_usd), money(project.reserved_usd), cap, project.period


def nodes_table(nodes: tuple[Node, ...] | list[Node]) -> None:
    """Machines where tasks have failed, and why some get no more of them."""
    rows = [
        (n.name[:NODE_DIGITS], "out" if n.out else "in", n.failed_tasks,
         moment(n.since) if n.since else "", n.reason)
        for n in nodes
    ]  # fmt: skip
    table(("NODE", "STATE", "FAILED TASKS", "SINCE", "REASON"), rows)


def _dispatcher(view: FarmView) -> str:
    found = view.dispatcher
    if found is None:
        return "does not answer"
    other = "" if found.version == view.version else ", not the gateway's: restart the farm"
    since = f", up since {moment(found.since)} (UTC)" if found.since else ""
    return f"version {found.version}{other}, pid {found.pid}{since}, {found.running} running"


def _seen(view: FarmView) -> str:
    """What Ray's records say of the dispatcher, which only the gateway can ask."""
    found = [process for process in view.processes if process.role == "dispatcher"]
    return f"{found[0].state}, pid {found[0].pid}" if found else "none"


def _processes_table(processes: tuple[Process, ...]) -> None:
    farms = sorted((p for p in processes if p.role != RAYS), key=lambda p: (p.role, p.node, p.task))
    rays = [p for p in processes if p.role == RAYS]
    rows: list[tuple[object, ...]] = [
        (p.role, p.node[:NODE_DIGITS], p.pid, _memory(p.memory_mb), p.state, p.task) for p in farms
    ]
    if rays:
        memory = sum(p.memory_mb or 0 for p in rays)
        rows.append((RAYS, "", f"{len(rays)} in all", _memory(memory), "", ""))
    table(("ROLE", "NODE", "PID", "MEMORY", "STATE", "TASK"), rows)


def _memory(megabytes: int | None) -> str:
    return "" if megabytes is None else f"{megabytes:,} MB"


def _with_head(view: FarmView, pid: int) -> FarmView:
    """The view with the process that 'farm up' is, which Ray knows nothing of."""
    import psutil

    from farm.spec.farm import Process

    if any(process.pid == pid for process in view.processes):
        return view
    try:
        memory = round(psutil.Process(pid).memory_full_info().uss / 1e6)
    except psutil.Error:
        return view
    head = Process(role="farm up", pid=pid, memory_mb=memory, state="alive")
    return view.model_copy(update={"processes": (*view.processes, head)})


def _here(chosen: Settings) -> dict[str, Any] | None:
    """What the farm of this machine wrote about itself, if it is the one that is asked for."""
    if not (chosen.folder / STATE).exists():
        return None
    from farm.tiers import local

    facts = local.state(chosen)
    if facts is None or facts["url"].rstrip("/") != chosen.farm_url:
        return None
    return {
        "home": str(chosen.folder),
        **{key: facts[key] for key in ("dashboard", "pid", "dispatcher_pid")},
        "dashboard_token": str(chosen.folder / "ray.token"),
    }
