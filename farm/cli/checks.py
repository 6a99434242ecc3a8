"""What ``farm doctor`` looks at. A check returns what it found, or raises an error with the remedy."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from farm.catalog import Catalogue, models_folder
from farm.cli.entry import EXTRA, missing_extra
from farm.clock import Clock
from farm.errors import FarmError, Unavailable, Unreachable
from farm.settings import Settings

Check = Callable[[Settings, Clock], str]

OLDEST_PYTHON = (3, 11)
EXTRA_MODULES = (
    "alembic", "fastapi", "fsspec", "imagecodecs", "numpy", "OpenImageIO", "PIL", "prometheus_client",
    "psutil", "ray", "safetensors", "sqlalchemy", "tifffile", "torch", "torchvision", "uvicorn",
)  # fmt: skip
RELEASED = 1_767_225_600.0
"""2026-01-01; a clock before it is wrong."""
MAX_SKEW = 60.0


@dataclass(frozen=True)
class Row:
    """One line of the report: what was found, and what to do where that is not right."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def run(checks: Mapping[str, Check], settings: Settings, clock: Clock) -> list[Row]:
    """Every check's row; a check that cannot even run is a row that failed."""
    return [_row(name, check, settings, clock) for name, check in checks.items()]


def _row(name: str, check: Check, settings: Settings, clock: Clock) -> Row:
    try:
        return Row(name, True, check(settings, clock))
    except FarmError as error:
        found, _, remedy = error.message.rpartition("; ")
        return Row(name, False, found or error.message, remedy if found else "")
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        package = missing_extra(error)
        if package:
            return Row(name, False, f"{package} is not installed", EXTRA)
        return Row(name, False, f"{type(error).__name__}: {error}", "report this")


def python(settings: Settings, clock: Clock) -> str:
    """The interpreter is new enough."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        raise Unavailable(f"{found}; install Python 3.11 or newer.")
    return found


def extra(settings: Settings, clock: Clock) -> str:
    """What the farm itself needs is installed."""
    missing = [name for name in EXTRA_MODULES if find_spec(name) is None]
    if missing:
        raise Unavailable(f"missing: {', '.join(missing)}; {EXTRA}")
    return f"{len(EXTRA_MODULES)} packages"


def ray(settings: Settings, clock: Clock) -> str:
    """Ray is the version the farm was tested with."""
    pinned = [line for line in requires("style-farm") or () if line.startswith("ray")]
    wanted = pinned[0].partition("==")[2].partition(";")[0].strip() if pinned else ""
    try:
        found = version("ray")
    except PackageNotFoundError:
        raise Unavailable(f"not installed; {EXTRA}") from None
    if found != wanted:
        raise Unavailable(f"{found}, not {wanted}; {EXTRA}")
    return found


def home(settings: Settings, clock: Clock) -> str:
    """The folder of the farm's state can be written."""
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.folder):
            return str(settings.folder)
    except OSError as error:
        raise Unavailable(
            f"{settings.folder} cannot be written ({error.strerror}); "
            "set FARM_HOME to a folder that you may write."
        ) from None


def clocks(settings: Settings, clock: Clock) -> str:
    """The clock is not before this release and agrees with the one of the farm's folder."""
    now = clock.now()
    if now < RELEASED:
        raise Unavailable("the clock is before 2026; set it, e.g. 'timedatectl set-ntp true'.")
    home(settings, clock)
    with tempfile.NamedTemporaryFile(dir=settings.folder) as file:
        skew = Path(file.name).stat().st_mtime - now
    if abs(skew) > MAX_SKEW:
        raise Unavailable(f"{settings.folder} is {skew:+.0f} s off this machine; set both clocks.")
    return f"{skew:+.1f} s off the folder's"


def store(settings: Settings, clock: Clock) -> str:
    """Blobs can be written."""
    from farm.store import BlobStore

    BlobStore(settings.store_url).check()
    return settings.store_url


def database(settings: Settings, clock: Clock) -> str:
    """The database opens and has the tables this version writes."""
    from farm.queue import open_queue

    open_queue(settings.database_url, clock).close()
    return settings.database_url


def models(settings: Settings, clock: Clock) -> str:
    """Models and styles are there and whole."""
    catalogue = Catalogue(models_folder(settings))
    findings = catalogue.verify()
    if not findings:
        raise Unavailable(f"{catalogue.folder} holds no models; set FARM_MODELS to their folder.")
    for finding in findings:
        if not finding.ok:
            raise Unavailable(finding.problem)
    return f"{len(findings)} whole in {catalogue.folder}"


def ports(settings: Settings, clock: Clock) -> str:
    """The farm's ports are free, unless the farm itself has them."""
    if _answers(settings):
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


def _answers(settings: Settings) -> bool:
    from farm.client import Client

    try:
        with Client(settings.farm_url, timeout=3) as client:
            client.ready()
    except Unreachable:
        return False
    return True


CHECKS: Mapping[str, Check] = {
    "python": python,
    "farm extra": extra,
    "ray": ray,
    "home": home,
    "clock": clocks,
    "database": database,
    "store": store,
    "models": models,
    "ports": ports,
}
"""Every check by the name people see."""
