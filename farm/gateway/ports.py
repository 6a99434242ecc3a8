"""What the gateway needs of the rest of the house, as Protocols no larger than its use of them.

Everything but ``Previews`` is synchronous and thread-safe; the routes call it from worker threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from farm.clock import Clock
from farm.gateway.accounts import Accounts
from farm.gateway.kept import NoShelf, Shelf
from farm.gateway.orders import PreviewAnswer as PreviewAnswer
from farm.gateway.orders import PreviewOrder as PreviewOrder
from farm.gateway.orders import Previews
from farm.queue import Offer
from farm.settings import Settings
from farm.spec import Event, Job, JobRecord, JobState, Quote, TaskRecord
from farm.spec.farm import Dispatcher, Process


class Record(Protocol):
    """A row of the queue whose fields the gateway passes on."""

    def model_dump(self) -> dict[str, Any]:
        """Its fields."""
        ...


class Queue(Accounts, Protocol):
    """The durable facts: jobs, tasks, events."""

    def add(
        self, job_id: str, spec: Job, *, tasks: Sequence[str] = ("print",), offer: Offer | None = None
    ) -> tuple[JobRecord, bool]:
        """The job and whether it is new.

        Raises Conflict: the id was used for another spec; Refused: its project cannot bear the offer.
        """
        ...

    def job(self, job_id: str) -> JobRecord:
        """Raises NotFound."""
        ...

    def jobs(
        self,
        *,
        state: JobState | None = None,
        project: str | None = None,
        label: tuple[str, str] | None = None,
        beginning: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[JobRecord]:
        """Newest first. ``beginning``: of their ids; ``before``: the last job of the page before."""
        ...

    def tasks(self, job_id: str) -> list[TaskRecord]:
        """Raises NotFound."""
        ...

    def attempts(self, job_id: str) -> Sequence[Record]:
        """Attempts at its tasks, oldest first. Raises NotFound."""
        ...

    def events(self, job_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """The job's events with a sequence number above ``after``, in order."""
        ...

    def version(self) -> int:
        """A number that changes when any event of any job was appended."""
        ...

    def wait(self, version: int, timeout: float) -> int:
        """The version once it is another one, or after ``timeout`` seconds."""
        ...

    def cancel(self, job_id: str, reason: str = "", *, at_once: bool = False) -> JobRecord:
        """Raises NotFound, IllegalTransition."""
        ...

    def pause(self, job_id: str) -> JobRecord:
        """Raises NotFound, IllegalTransition."""
        ...

    def resume(self, job_id: str) -> JobRecord:
        """Raises NotFound, IllegalTransition."""
        ...

    def retry_job(self, job_id: str) -> JobRecord:
        """Raises NotFound, IllegalTransition."""
        ...

    def retry_tasks(self, job_id: str, names: Sequence[str]) -> JobRecord:
        """Raises NotFound, IllegalTransition."""
        ...

    def append(self, job_id: str, event: Event) -> Event | None:
        """Write an event that belongs to no attempt; None where the job takes no more of them."""
        ...

    def counts(self) -> Mapping[Any, int]:
        """How many jobs are in each state."""
        ...

    def projects(self) -> Sequence[Record]:
        """Every project's share and use."""
        ...

    def set_project(self, name: str, *, weight: float = 1.0, max_running: int | None = None) -> object:
        """Set a project's share. Raises InvalidInput."""
        ...

    def nodes(self) -> Sequence[Record]:
        """Machines by how attempts ended there."""
        ...

    def readmit(self, node: str) -> object:
        """Give a node tasks again. Raises NotFound."""
        ...


class BlobWriter(Protocol):
    """Bytes on their way into the store; published when the context ends without an error."""

    @property
    def sha256(self) -> str:
        """Hex digest, known once the context has ended."""
        ...

    def write(self, data: bytes, /) -> int:
        """Raises TooLarge: more than ``max_bytes`` came."""
        ...


class Store(Protocol):
    """Content-addressed files."""

    def put(self, data: bytes, /) -> str:
        """Keep bytes and return their sha256."""
        ...

    def writer(self, *, max_bytes: int | None = None) -> AbstractContextManager[BlobWriter]:
        """A blob written piece by piece, limited to ``max_bytes``."""
        ...

    def get(self, sha256: str, /) -> bytes:
        """All bytes. Raises NotFound."""
        ...

    def open(self, sha256: str, /) -> BinaryIO:
        """A file open for reading. Raises NotFound."""
        ...

    def size(self, sha256: str, /) -> int:
        """Bytes. Raises NotFound."""
        ...

    def has(self, sha256: str, /) -> bool:
        """Whether the blob is there; if so, it is kept for a job that may soon name it."""
        ...

    def fetch(self, sha256: str, path: Path, /) -> None:
        """Copy to a local file. Raises NotFound."""
        ...

    def check(self) -> None:
        """Raises Unavailable: the store cannot be written."""
        ...


class Quotes(Protocol):
    """What a job would cost."""

    def quote(self, job: Job, size: tuple[int, int], /) -> Quote:
        """A quote for a job whose content has (width, height) pixels. Raises Refused."""
        ...


class Catalogue(Protocol):
    """Styles and models."""

    def styles(self) -> list[dict[str, Any]]:
        """Every style's card."""
        ...

    def style(self, name: str, /) -> dict[str, Any]:
        """One style's card. Raises NotFound."""
        ...

    def style_picture(self, name: str, /) -> bytes:
        """A style's encoded picture. Raises NotFound."""
        ...

    def models(self) -> list[dict[str, Any]]:
        """Every model's card."""
        ...

    def check_rights(self, job: Job, /) -> None:
        """Raises Refused: a style of the job may not be used; NotFound: no such style."""
        ...


class Tiers(Protocol):
    """What runs, as the layer that runs it knows it."""

    def version(self) -> str:
        """Of the code that this process runs; told like the dispatcher's own."""
        ...

    def processes(self) -> Sequence[Process]:
        """Every process of the farm. Raises Unreachable: whoever knows does not answer."""
        ...

    def dispatcher(self) -> Dispatcher:
        """Raises Unreachable: it does not answer."""
        ...


class Meter(Protocol):
    """Where measurements go; names and labels are those of the table in ``farm.observe``."""

    def count(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add to a histogram."""
        ...


@dataclass(frozen=True)
class Services:
    """Everything the routes talk to."""

    queue: Queue
    store: Store
    previews: Previews
    quotes: Quotes
    catalogue: Catalogue
    tiers: Tiers
    settings: Settings
    clock: Clock
    meter: Meter
    metrics: Callable[[], bytes]
    shelf: Shelf = field(default_factory=NoShelf)
