"""What ``farm doctor`` looks at. A check returns what it found, or raises an error with the remedy."""

from __future__ import annotations

from collections.abc import Mapping

from farm.cli.checks import machine, packages, running, state
from farm.cli.checks.row import Check, Row, run

CHECKS: Mapping[str, Check] = {
    "python": packages.python,
    "farm extra": packages.extra,
    "packages": packages.versions,
    "ray": packages.ray,
    "memory": machine.memory,
    "shared memory": machine.shared_memory,
    "clock": machine.clocks,
    "home": state.home,
    "token": state.token,
    "database": state.database,
    "store": state.store,
    "models": state.models,
    "ports": running.ports,
    "farm": running.farm,
}
"""Every check by the name people see."""

__all__ = ["CHECKS", "Check", "Row", "run"]
