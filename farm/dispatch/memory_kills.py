"""Whether the kernel has killed a process here for want of memory, read from its own counters.

A killed process cannot tell why, and its parent sees only SIGKILL. The kernel counts such kills: a
counter that has grown while a process died is taken for the reason.
"""

from __future__ import annotations

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.events")
VMSTAT = Path("/proc/vmstat")
_WORD = "oom_kill"


def memory_kills(cgroup: Path = CGROUP, vmstat: Path = VMSTAT) -> int:
    """Processes killed for memory so far: of this container where it counts them, else of the machine.

    0 where the kernel does not tell.
    """
    for path in (cgroup, vmstat):
        found = _counter(path)
        if found is not None:
            return found
    return 0


def _counter(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) for line in lines if line.split()[:1] == [_WORD]), None)
    except (OSError, ValueError, IndexError):
        return None
