"""Which code a process runs, so that an actor of another version is noticed and replaced."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import farm


@cache
def code_version(folder: Path | None = None) -> str:
    """The package's version and a hash over its sources: ``0.1.0+3f9c0a1b2d4e``.

    Detached actors outlive the deployment that started them and go on with the code they began with.
    """
    root = folder or Path(farm.__file__).parent
    found = sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0")
        found.update(path.read_bytes() + b"\0")
    return f"{farm.__version__}+{found.hexdigest()[:12]}"
