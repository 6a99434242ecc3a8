"""A named file that appears whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from farm.errors import InvalidInput, Unavailable


def publish(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a file beside ``path``, then put it in place at once.

    The file beside keeps the suffix, since writers of pictures choose the format by it. What is no
    regular file, such as ``/dev/stdout``, is written to directly: a rename would replace the device.

    Raises:
        InvalidInput: ``path`` is a folder.
        Unavailable: it cannot be written there; nothing is left behind.
    """
    if path.is_dir():
        raise InvalidInput(f"{path}: is a folder; name a file in it.")
    if path.exists() and not path.is_file():
        _guarded(path, lambda: write(path))
        return
    aside = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        _guarded(path, lambda: _write_and_move(write, aside, path))
    except BaseException:
        _discard(aside)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def renewed(path: Path) -> bool:
    """Whether a file is there still; its age begins anew where this process may say so."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # on a disk to be read only, or another user's
    return True


def reason_of(error: OSError) -> str:
    """The system's words for what went wrong."""
    return error.strerror or str(error) or type(error).__name__


def _write_and_move(write: Callable[[Path], None], aside: Path, path: Path) -> None:
    write(aside)
    with aside.open("rb") as written:
        os.fsync(written.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def _guarded(path: Path, step: Callable[[], None]) -> None:
    try:
        step()
    except OSError as error:
        raise Unavailable(
            f"{path}: cannot be written ({reason_of(error)}); "
            f"make room or choose a folder that exists and may be written to."
        ) from error


def _discard(aside: Path) -> None:
    try:
        aside.unlink(missing_ok=True)
    except OSError:
        # Its folder is no folder, so there is nothing to remove.
        return
