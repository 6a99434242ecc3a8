"""Content-addressed blobs on any file system that fsspec knows.

A blob lies at ``sha256/ab/abcdef…``, named by its bytes. It is written under ``tmp/`` and moved, so
that a final name never stands over half a blob, and one that is there is never written again; its
age, by which ``farm.store.sweep`` goes, counts from the last time that it was put or asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from farm.errors import Damaged, InvalidInput, NotFound, Unavailable
from farm.store.files import publish, reason_of, renewed, sync_folder
from farm.store.upload import Upload, no_room

CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Blobs under ``url``: a local folder or any fsspec URL.

    Args:
        used: blobs are known to be there, as where a job names them. Such a store without any is not
            empty but away (not mounted, say), and every call raises ``Unavailable`` until it is back.
            A store in which one blob was seen is known to be used from then on.

    Raises:
        InvalidInput: no driver is there for the URL's scheme.
    """

    def __init__(self, url: str, *, used: bool = False) -> None:
        self.url, self._used = url, used
        try:
            fs, root = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise InvalidInput(
                f"store: {url!r} cannot be opened ({error}); "
                "use a folder, or install the scheme's driver.",
                field="store",
            ) from None
        self._fs = fs
        self._root = str(root).rstrip("/")
        self._local = isinstance(fs, LocalFileSystem)

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its name. Keeping the same bytes twice is one blob.

        Raises:
            Unavailable: the store cannot be written.
        """
        sha = hashlib.sha256(data).hexdigest()
        if not self.has(sha):
            with self.writer() as upload:
                upload.write(data)
        return sha

    def put_file(self, path: Path) -> str:
        """Keep the bytes of a local file; returns their name.

        Raises:
            NotFound: there is no such file.
            Unavailable: the file cannot be read or the store cannot be written.
        """
        try:
            source = path.open("rb")
        except FileNotFoundError:
            raise NotFound(f"{path}: no such file; check the path.") from None
        except OSError as error:
            raise Unavailable(
                f"{path}: cannot be read ({reason_of(error)}); name a file that can."
            ) from error
        with source, self.writer() as upload:
            shutil.copyfileobj(source, upload, CHUNK)
        return upload.sha256

    @contextmanager
    def writer(self, max_bytes: int | None = None) -> Iterator[Upload]:
        """A file to write a blob into; it is published at the end of the block unless that raises.

        Raises:
            TooLarge: more than ``max_bytes`` were written; nothing is kept.
            Unavailable: the store cannot be written; nothing is kept.
        """
        aside = self._aside()
        sink: BinaryIO | None = None
        try:
            sink = self._create(aside)
            with Upload(sink, self.url, max_bytes) as upload:
                yield upload
            self._finish(sink, aside, upload.sha256)
        except BaseException:
            self._discard(sink, aside)
            raise

    def get(self, sha: str) -> bytes:
        """The bytes of a blob, checked against its name.

        Raises:
            NotFound: there is no such blob.
            Damaged: its bytes are not what was put.
            Unavailable: it cannot be read.
        """
        with self.open(sha) as source, self._reading(sha):
            data = source.read()
        self._verify(sha, hashlib.sha256(data).hexdigest())
        return data

    def open(self, sha: str) -> BinaryIO:
        """A blob as a file to read from, unchecked; for checked bytes use ``get`` or ``fetch``.

        Raises:
            NotFound: there is no such blob.
            Unavailable: it cannot be read.
        """
        with self._reading(sha):
            source = cast(BinaryIO, self._fs.open(self._path(sha), "rb"))
        self._used = True
        return source

    def size(self, sha: str) -> int:
        """Bytes of a blob.

        Raises:
            NotFound: there is no such blob.
        """
        with self._reading(sha):
            return int(self._fs.size(self._path(sha)))

    def has(self, sha: str) -> bool:
        """Whether the blob is there. Then it is wanted: in a folder its age begins anew, for a sweep.

        Raises:
            Unavailable: the store is away.
        """
        path = self._path(sha)
        with self._reading(sha):
            there = bool(self._fs.exists(path)) and (not self._local or renewed(Path(path)))
        if there:
            self._used = True
        else:
            self._present()
        return there

    def delete(self, sha: str) -> None:
        """Forget a blob; nothing happens if it is not there.

        Only for blobs that nobody else can have put, such as superseded checkpoints.

        Raises:
            Unavailable: the store does not work.
        """
        with contextlib.suppress(NotFound), self._reading(sha):
            self._fs.rm(self._path(sha))

    def fetch(self, sha: str, path: Path) -> None:
        """Copy a blob to a local file, which appears whole and checked or not at all.

        Raises:
            NotFound: there is no such blob.
            Damaged: its bytes are not what was put.
            Unavailable: it cannot be read, or ``path`` cannot be written.
        """
        publish(path, lambda aside: self._copy(sha, aside))

    def check(self) -> None:
        """Pass silently when the store can be written.

        Raises:
            Unavailable: it cannot; the sentence says why and what to do.
        """
        aside = self._aside()
        sink: BinaryIO | None = None
        try:
            sink = self._create(aside)
            sink.write(b"farm")
            sink.close()
        except OSError as error:
            raise no_room(self.url, error) from error
        finally:
            self._discard(sink, aside)

    def _path(self, sha: str) -> str:
        if not _SHA256.fullmatch(sha):
            raise InvalidInput(
                f"blob: {sha!r} is not a sha256; give its 64 lower-case hex digits.", field="blob"
            )
        return f"{self._root}/sha256/{sha[:2]}/{sha}"

    def _aside(self) -> str:
        return "/".join((self._root, "tmp", uuid.uuid4().hex))

    def _present(self) -> None:
        """Pass silently unless the store is away.

        Written to all the same, blobs would lie under the place where it is mounted again.

        Raises:
            Unavailable: it holds nothing any more.
        """
        if self._used and not self._fs.exists(f"{self._root}/sha256"):
            raise Unavailable(
                f"store {self.url}: is away, though it was used before (no folder sha256 is there); "
                "mount it again, or correct FARM_STORE."
            )

    def _create(self, aside: str) -> BinaryIO:
        try:
            self._present()
            self._fs.makedirs(aside.rpartition("/")[0], exist_ok=True)
            return cast(BinaryIO, self._fs.open(aside, "wb"))
        except OSError as error:
            raise no_room(self.url, error) from error

    def _finish(self, sink: BinaryIO, aside: str, sha: str) -> None:
        final = self._path(sha)
        try:
            sink.flush()
            if self._local:
                os.fsync(sink.fileno())
            sink.close()
            if self.has(sha):
                self._fs.rm_file(aside)
                return
            self._move(aside, final)
        except OSError as error:
            raise no_room(self.url, error) from error

    def _move(self, aside: str, final: str) -> None:
        folder = final.rpartition("/")[0]
        self._fs.makedirs(folder, exist_ok=True)
        if self._local:
            # fsspec's own move may fall back to a copy, which is not atomic.
            Path(aside).replace(final)
            sync_folder(Path(folder))
            sync_folder(Path(folder).parent)
        else:
            self._fs.mv(aside, final)
        self._used = True

    def _discard(self, sink: BinaryIO | None, aside: str) -> None:
        # Best effort: the error that led here is the one to report.
        with contextlib.suppress(OSError):
            if sink is not None:
                sink.close()
        with contextlib.suppress(OSError):
            self._fs.rm_file(aside)

    @contextmanager
    def _reading(self, sha: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            self._present()
            raise NotFound(f"blob: no {sha} in the store {self.url}; upload it first.") from None
        except OSError as error:
            raise Unavailable(
                f"store {self.url}: blob {sha} cannot be read ({reason_of(error)}); "
                "check FARM_STORE and the disk."
            ) from error

    def _copy(self, sha: str, aside: Path) -> None:
        seen = hashlib.sha256()
        with self.open(sha) as source, aside.open("wb") as copy:
            while True:
                with self._reading(sha):
                    chunk = source.read(CHUNK)
                if not chunk:
                    break
                seen.update(chunk)
                copy.write(chunk)
        self._verify(sha, seen.hexdigest())

    def _verify(self, sha: str, found: str) -> None:
        if found != sha:
            raise Damaged(
                f"store {self.url}: blob {sha} is damaged (its bytes hash to {found}); "
                "delete that file and upload it again."
            )
