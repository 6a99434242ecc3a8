"""What dispatching needs of the queue, the store and whoever runs the work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from farm.spec.event import Checkpointed, Done, Event
from farm.spec.record import Lease, TaskRecord
from farm.spec.routing import Decision

Stop = Literal["cancel", "pause"]


class Beat(Protocol):
    """The queue's answer to a heartbeat."""

    @property
    def lease(self) -> Lease:
        """The lease with its new expiry."""
        ...

    @property
    def cancel_requested(self) -> bool:
        """Somebody wants the job stopped."""
        ...

    @property
    def pause_requested(self) -> bool:
        """Somebody wants the job held back."""
        ...


class Queue(Protocol):
    """The dispatcher's part of the queue. Every method that takes a lease is fenced by it."""

    def claim(self, worker: str, ttl: float) -> Lease | None:
        """Take a task for ``ttl`` seconds, None if there is none."""
        ...

    def heartbeat(self, lease: Lease, ttl: float) -> Beat:
        """Renew a lease and hear what people asked for."""
        ...

    def record(self, lease: Lease, *events: Event) -> list[Event]:
        """Append events to the job's log."""
        ...

    def checkpoint(self, lease: Lease, event: Checkpointed) -> Event:
        """Append the event and keep its blob as where to go on from."""
        ...

    def complete(self, lease: Lease, done: Done) -> None:
        """End the task with its result."""
        ...

    def retry(
        self, lease: Lease, cause: str, reason: str, *, delay: float = 0.0, counts: bool = True
    ) -> None:
        """Give the task back, to be claimed again after ``delay`` seconds."""
        ...

    def fail(self, lease: Lease, cause: str, reason: str) -> None:
        """End the task without a result."""
        ...

    def stopped(self, lease: Lease) -> None:
        """End or hold back the task as people asked."""
        ...

    def reap(self) -> list[TaskRecord]:
        """Take back the tasks whose leases have run out."""
        ...

    def release_worker(self, worker_prefix: str) -> int:
        """Take back what workers of that name held; returns how many tasks."""
        ...


class Blobs(Protocol):
    """The store, as the dispatcher and a render use it."""

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their sha256."""
        ...

    def put_file(self, path: Path) -> str:
        """Keep a file's bytes; returns their sha256."""
        ...

    def get(self, sha: str) -> bytes:
        """The bytes of that sha256."""
        ...

    def delete(self, sha: str) -> None:
        """Drop them, if they are there."""
        ...


class Run(Protocol):
    """One attempt under way somewhere."""

    def events(self) -> Iterator[Event]:
        """The attempt's events in order, ending with ``Done`` unless it was stopped.

        Raises whatever ended the attempt early.
        """
        ...

    def stop(self, how: Stop) -> None:
        """Ask it to end at the next iteration; ``pause`` leaves a checkpoint."""
        ...

    def kill(self) -> None:
        """End it now and wait until it is gone. Harmless if it has ended."""
        ...


class Runner(Protocol):
    """Starts attempts on the pool that was chosen."""

    def start(self, lease: Lease, decision: Decision) -> Run:
        """Start the leased task where the decision says."""
        ...
