"""A check, and the line of the report that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from farm.cli.entry import EXTRA, missing_extra
from farm.clock import Clock
from farm.errors import FarmError
from farm.settings import Settings

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Doubt:
    """What works, but not as well as it should."""

    detail: str
    remedy: str


Check = Callable[[Settings, Clock], str | Doubt]


@dataclass(frozen=True)
class Row:
    """One line of the report: what was found, and what to do where that is not right."""

    name: str
    level: Level
    detail: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether a farm can run all the same."""
        return self.level != "fail"


def run(checks: Mapping[str, Check], settings: Settings, clock: Clock) -> list[Row]:
    """Every check's row; a check that cannot even run is a row that failed."""
    return [_row(name, check, settings, clock) for name, check in checks.items()]


def _row(name: str, check: Check, settings: Settings, clock: Clock) -> Row:
    try:
        found = check(settings, clock)
    except FarmError as error:
        said, _, remedy = error.message.rpartition("; ")
        return Row(name, "fail", said or error.message, remedy if said else "")
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        package = missing_extra(error)
        if package:
            return Row(name, "fail", f"{package} is not installed", EXTRA)
        return Row(name, "fail", f"{type(error).__name__}: {error}", "report this")
    if isinstance(found, Doubt):
        return Row(name, "warn", found.detail, found.remedy)
    return Row(name, "ok", found)
