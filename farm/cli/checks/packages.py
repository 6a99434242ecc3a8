"""The interpreter and the packages: there, in range, and the versions the farm was tested with."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from farm.cli.checks.row import Doubt
from farm.cli.entry import EXTRA
from farm.clock import Clock
from farm.errors import Unavailable
from farm.settings import Settings

OLDEST_PYTHON = (3, 11)
EXTRA_MODULES = (
    "alembic", "fastapi", "fsspec", "imagecodecs", "numpy", "OpenImageIO", "PIL", "prometheus_client",
    "psutil", "ray", "safetensors", "sqlalchemy", "tifffile", "torch", "torchvision", "uvicorn",
)  # fmt: skip
CONSTRAINTS = Path(__file__).resolve().parents[3] / "constraints.txt"
"""Of a checkout: the versions that the tests ran with."""
SHOWN = 4


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
    """Ray is the version the farm was tested with: it relies on parts that are not public."""
    pinned = [line for line in requires("style-farm") or () if line.startswith("ray")]
    wanted = pinned[0].partition("==")[2].partition(";")[0].strip() if pinned else ""
    found = _installed("ray")
    if found is None:
        raise Unavailable(f"not installed; {EXTRA}")
    if found != wanted:
        raise Unavailable(f"{found}, not {wanted}; {EXTRA}")
    return found


def versions(settings: Settings, clock: Clock) -> str | Doubt:
    """Packages are in the range that the farm allows, and those that it was tested with."""
    wrong = out_of_range(requires("style-farm") or [])
    if wrong:
        raise Unavailable(f"{', '.join(wrong)}; {EXTRA}")
    if not CONSTRAINTS.is_file():
        return "in range; which versions were tested, only a checkout says"
    others = untested(CONSTRAINTS.read_text(encoding="utf-8"))
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        return Doubt(
            f"in range, but not as tested: {', '.join(others[:SHOWN])}{more}",
            f"pip install -c {CONSTRAINTS} -e '.[farm,dev]'",
        )
    return "as tested"


def out_of_range(wanted: list[str]) -> list[str]:
    """Installed packages that do not fit what the farm's own metadata asks for."""
    from packaging.requirements import Requirement

    wrong = []
    for line in wanted:
        requirement = Requirement(line)
        found = _installed(requirement.name)
        if found and not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found} is not {requirement.specifier}")
    return wrong


def untested(constraints: str) -> list[str]:
    """Installed packages of another version than a constraints file names."""
    others = []
    for name, pin in re.findall(r"^([\w.\-]+)==([^\s;#]+)", constraints, flags=re.MULTILINE):
        found = _installed(name)
        # A local part such as +cpu says how it was built, not what it is.
        if found and found.partition("+")[0] != pin.partition("+")[0]:
            others.append(f"{name} {found} (tested: {pin})")
    return others


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
