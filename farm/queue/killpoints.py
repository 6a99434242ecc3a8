"""Places where a test can have this process killed, to see what survives.

``FARM_KILL_AT=complete.before_commit:2`` kills at the second pass of that place. ``FARM_KILL_AT=@FILE``
kills the first process that passes the place that the file names, and only that one: it takes the file
away before, so that what is started again in the same environment lives. Without the variable nothing
happens.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

_passes: Counter[str] = Counter()


def reach(name: str) -> None:
    """Kill this process with SIGKILL if ``FARM_KILL_AT`` asks for this pass of ``name``."""
    wanted = os.environ.get("FARM_KILL_AT")
    if not wanted:
        return
    due = _is_named(Path(wanted[1:]), name) if wanted.startswith("@") else _is_nth(wanted, name)
    if due:
        os.kill(os.getpid(), signal.SIGKILL)


def _is_nth(wanted: str, name: str) -> bool:
    place, _, nth = wanted.partition(":")
    if place != name:
        return False
    _passes[name] += 1
    return _passes[name] == int(nth or 1)


def _is_named(file: Path, name: str) -> bool:
    """Whether the file names this place, and this process was the one to take it away."""
    try:
        if file.read_text(encoding="utf-8").strip() != name:
            return False
        file.unlink()
    except OSError:
        return False
    return True
