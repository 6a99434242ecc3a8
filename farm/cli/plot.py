"""Files that plots are drawn into."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from farm.errors import InvalidInput, Unavailable

SUFFIXES = (".png", ".svg", ".pdf")


def check(path: Path, option: str) -> None:
    """Refuse, before the work, what cannot be drawn.

    Raises:
        InvalidInput: the path's ending is of no picture.
        Unavailable: matplotlib is not here.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(
            f"--{option}: {path.name!r} is no picture; end its name in {', '.join(SUFFIXES)}.",
            field=option,
        )
    if find_spec("matplotlib") is None:
        raise Unavailable(
            f"--{option}: matplotlib is not installed; run pip install 'style-farm[dev]'."
        )
