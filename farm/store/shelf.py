"""Results kept for a while under keys of one's own: a cache in the store, never the truth.

A file that is half written, damaged or gone is no result; a store that cannot be written keeps none.
Nothing here raises.
"""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from contextlib import suppress
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from farm.clock import Clock

log = logging.getLogger("farm.store")

DAY = 86_400.0
_KEY = re.compile(r"[0-9a-f]{64}")
_DIGEST = 32
_TRIM_EVERY = 256


class Shelf:
    """Files under ``name`` in the store at ``url``, each behind the sha256 of its bytes.

    Args:
        max_age: seconds after which one goes, in a store that is a folder; buckets have rules of
            their own for that.
    """

    def __init__(self, url: str, name: str, clock: Clock, *, max_age: float = DAY) -> None:
        fs, root = url_to_fs(url)
        self._fs, self._root, self._name = fs, str(root).rstrip("/"), name
        self._local = isinstance(fs, LocalFileSystem)
        self._clock, self._max_age = clock, max_age
        self._puts = 0

    def get(self, key: str) -> bytes | None:
        """What was put under ``key``, 64 hex digits; None: it is not there, or not whole."""
        try:
            framed: bytes = self._fs.cat_file(self._path(key))
        except OSError:
            return None
        data = framed[_DIGEST:]
        if hashlib.sha256(data).digest() == framed[:_DIGEST]:
            return data
        log.warning("%s/%s: damaged, so it is made again", self._name, key)
        with suppress(OSError):
            self._fs.rm_file(self._path(key))
        return None

    def put(self, key: str, data: bytes) -> None:
        """Keep ``data`` if the store takes it."""
        path = self._path(key)
        aside = "/".join((self._root, "tmp", uuid.uuid4().hex))
        try:
            # A store without blobs is new or away; what is written then lies under the mount.
            if not self._fs.exists(f"{self._root}/sha256"):
                return
            for folder in (path.rpartition("/")[0], aside.rpartition("/")[0]):
                self._fs.makedirs(folder, exist_ok=True)
            self._fs.pipe_file(aside, hashlib.sha256(data).digest() + data)
            self._fs.mv(aside, path)
        except OSError as error:
            log.warning("%s: a result could not be kept (%s)", self._name, error)
            with suppress(OSError):
                self._fs.rm_file(aside)
        self._puts += 1
        if self._puts % _TRIM_EVERY == 0:
            self.trim()

    def trim(self) -> int:
        """Remove what is older than ``max_age``; returns how many files that were."""
        if not self._local:
            return 0
        removed = 0
        for path in Path(self._root, self._name).glob("*/*"):
            with suppress(OSError):
                if path.stat().st_mtime < self._clock.now() - self._max_age:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not 64 hex digits")
        return f"{self._root}/{self._name}/{key[:2]}/{key}"
