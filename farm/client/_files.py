"""Local files on their way to the farm and back."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from farm.errors import InvalidInput, Unavailable

CHUNK = 256 * 1024


def digest(path: Path, field: str) -> str:
    """sha256 of a file, in hex.

    Raises:
        InvalidInput: it is not there or cannot be read; the sentence names ``field``.
    """
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, field, error) from None


def content(path: Path, field: str) -> bytes:
    """All bytes of a file.

    Raises:
        InvalidInput: it is not there or cannot be read; the sentence names ``field``.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, field, error) from None


def length(path: Path) -> int:
    """Bytes of a file.

    Raises:
        InvalidInput: it is not there.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, "path", error) from None


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, piece by piece.

    Raises:
        InvalidInput: it went away or cannot be read any more.
    """
    try:
        with path.open("rb") as source:
            while piece := source.read(CHUNK):
                yield piece
    except OSError as error:
        raise _unreadable(path, "path", error) from None


class Arriving:
    """A file that is being written; hashed on the way."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append."""
        self._hash.update(data)
        self._sink.write(data)

    @property
    def sha256(self) -> str:
        """Of what was written so far, in hex."""
        return self._hash.hexdigest()


@contextmanager
def arriving(path: Path, sha256: str | None = None) -> Iterator[Arriving]:
    """A file that gets its name only when it is whole and, where ``sha256`` is given, intact.

    Raises:
        InvalidInput: it cannot be written there.
        Unavailable: other bytes came than were asked for.
    """
    aside = path.with_name(f".{path.name[:80]}-{uuid.uuid4().hex[:8]}")
    try:
        with aside.open("wb") as sink:
            target = Arriving(sink)
            yield target
        if sha256 is not None and target.sha256 != sha256:
            raise Unavailable(f"{path.name}: the farm sent other bytes than {sha256}; fetch it again.")
        os.replace(aside, path)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise InvalidInput(f"{path}: cannot be written ({reason}); choose another place.") from None
    finally:
        if aside.exists():
            aside.unlink()


def _unreadable(path: Path, field: str, error: OSError) -> InvalidInput:
    if isinstance(error, FileNotFoundError):
        return InvalidInput(f"{field}: {str(path)!r} is not there; correct the path.", field=field)
    reason = (error.strerror or "error").lower()
    return InvalidInput(f"{field}: {str(path)!r} cannot be read ({reason}); name a file.", field=field)
