"""The farm that runs here, if one does, and the ports it would take."""

from __future__ import annotations

import socket

from farm.cli.checks.row import Doubt
from farm.cli.status import STATE
from farm.clock import Clock
from farm.errors import FarmError, Unavailable, Unreachable
from farm.settings import Settings
from farm.spec.farm import FarmView

PATIENCE_SECONDS = 10.0


def ports(settings: Settings, clock: Clock) -> str:
    """The farm's ports are free, unless the farm itself has them."""
    if _view(settings) is not None or _runs(settings):
        return f"a farm runs at {settings.farm_url}"
    for name, port in (("FARM_PORT", settings.port), ("FARM_DASHBOARD_PORT", settings.dashboard_port)):
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((settings.host, port))
        except OSError:
            raise Unavailable(
                f"port {port} on {settings.host} is taken; set {name} to a free one."
            ) from None
    return f"{settings.port} and {settings.dashboard_port} are free"


def farm(settings: Settings, clock: Clock) -> str | Doubt:
    """Whatever runs here answers: gateway, dispatcher and Ray, all of this version."""
    view = _view(settings)
    if view is None:
        return _silent(settings)
    if view.problems:
        return Doubt("; ".join(view.problems), "wait a minute; Ray starts again what has ended")
    out = [node.name[:12] for node in view.nodes if node.out]
    if out:
        return Doubt(f"no tasks are given to {', '.join(out)}", "see 'farm nodes', then 'farm readmit'")
    from farm.tiers.version import code_version

    running = {"gateway": view.version, "dispatcher": view.dispatcher and view.dispatcher.version}
    mine = code_version()
    others = [f"{name} {found}" for name, found in running.items() if found not in (None, mine)]
    if others:
        return Doubt(f"{', '.join(others)}, here {mine}", "farm down, then farm up")
    return f"answers at {settings.farm_url}, {len(view.processes)} processes"


def _silent(settings: Settings) -> str | Doubt:
    if not (settings.folder / STATE).exists():
        return "none runs here; 'farm up' starts one"
    if not _runs(settings):
        return Doubt("the one of this home was killed", "farm up; it takes up its work again")
    raise Unavailable(
        f"it runs, but does not answer at {settings.farm_url}; look at "
        f"{settings.folder / 'logs' / 'farm.log'} and 'farm status', then 'farm down' and 'farm up'."
    )


def _runs(settings: Settings) -> bool:
    """Whether the farm of this home runs, whether it answers or not."""
    if not (settings.folder / STATE).exists():
        return False
    from farm.tiers import local

    return local.state(settings) is not None


def _view(settings: Settings) -> FarmView | None:
    """What the farm says of itself; None where none answers."""
    from farm.client import Client

    try:
        with Client(settings.farm_url, timeout=PATIENCE_SECONDS) as client:
            return client.farm()
    except Unreachable:
        return None
    except FarmError as error:
        return FarmView(version="", dispatcher=None, jobs={}, problems=(error.message,))
