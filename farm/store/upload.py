"""A blob while it is being written: hashed and measured on the way."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from farm.errors import TooLarge, Unavailable
from farm.store.files import reason_of


class Upload(io.BufferedIOBase):
    """A write-only binary file; its name, ``sha256``, is known when it has been closed."""

    def __init__(self, sink: BinaryIO, place: str, max_bytes: int | None = None) -> None:
        self._sink = sink
        self._place = place
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Yes, until closed."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Append ``data``; returns the number of bytes.

        Raises:
            TooLarge: more than ``max_bytes`` in all.
            Unavailable: the store does not take it.
        """
        view = memoryview(data).cast("B")
        if self._max_bytes is not None and self.size + len(view) > self._max_bytes:
            raise TooLarge(
                f"blob: over the limit of {self._max_bytes} bytes; send a smaller file or "
                "raise FARM_MAX_UPLOAD_MB."
            )
        try:
            self._sink.write(view)
        except OSError as error:
            raise no_room(self._place, error) from error
        self._hash.update(view)
        self.size += len(view)
        return len(view)

    @property
    def sha256(self) -> str:
        """The blob's name, in hex.

        Raises:
            ValueError: it is still open, so the name is not final.
        """
        if not self.closed:
            raise ValueError("the name of a blob is known only when its upload has ended")
        return self._hash.hexdigest()


def no_room(place: str, error: OSError) -> Unavailable:
    """The store at ``place`` refused a write."""
    return Unavailable(
        f"store {place}: cannot be written ({reason_of(error)}); "
        "make room there, or set FARM_STORE to a place that may be written to."
    )
