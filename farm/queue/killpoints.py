"""Places where a test can have this process killed, to see what survives.

``FARM_KILL_AT=complete.before_commit:2`` kills at the second pass of that place. Without the variable
nothing happens.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_passes: Counter[str] = Counter()


def reach(name: str) -> None:
    """Kill this process with SIGKILL if ``FARM_KILL_AT`` asks for this pass of ``name``."""
    wanted = os.environ.get("FARM_KILL_AT")
    if not wanted:
        return
    place, _, nth = wanted.partition(":")
    if place != name:
        return
    _passes[name] += 1
    if _passes[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
