"""What lies in a store's folder and is of no use to anybody: found, and removed.

A farm may run meanwhile. Age protects what is under way: a blob is put before a row names it, and
every ``has`` and ``put`` of one that is there makes it young again. So files are listed first, names
are read after that, and a file that has become young since is put back.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Listing:
    """Files of a store's folder by what may be done with them.

    Args:
        old: blobs that nobody has put or asked for since the time given.
        young: names of all others.
        unfinished: files of writes that were broken off before that time.
    """

    old: tuple[Path, ...]
    young: frozenset[str]
    unfinished: tuple[Path, ...]


@dataclass
class Removed:
    """How many files, and their bytes in all."""

    files: int = 0
    bytes: int = 0


def listing(folder: Path, before: float) -> Listing:
    """What there is; ``before`` is in seconds since the epoch, by the store's own clock."""
    old, young = [], set()
    for path, changed in _files(folder / "sha256", "*/*"):
        if not _SHA256.fullmatch(path.name):
            continue  # not the farm's
        if changed < before:
            old.append(path)
        else:
            young.add(path.name)
    unfinished = [path for path, changed in _files(folder / "tmp", "*") if changed < before]
    return Listing(tuple(old), frozenset(young), tuple(unfinished))


def remove(paths: Collection[Path], folder: Path, before: float, *, dry_run: bool = False) -> Removed:
    """Remove files of a listing, but for those that have become young since; what is gone already is.

    Raises:
        OSError: the folder cannot be written.
    """
    removed = Removed()
    for path in paths:
        with suppress(FileNotFoundError):
            size = path.stat().st_size
            if dry_run or _removed(path, folder / "tmp", before):
                removed.files += 1
                removed.bytes += size
    return removed


def _removed(path: Path, aside: Path, before: float) -> bool:
    """Whether the file is gone. Moved first, nobody can renew it between the look and the end."""
    aside.mkdir(exist_ok=True)
    away = path.rename(aside / f"swept-{uuid.uuid4().hex}")
    if away.stat().st_mtime >= before:
        away.rename(path)
        return False
    away.unlink()
    return True


def _files(folder: Path, pattern: str) -> Iterator[tuple[Path, float]]:
    """Files and when they were changed."""
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.stat().st_mtime
