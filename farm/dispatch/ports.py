"""What dispatching needs of the queue, the store and whoever runs the work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from farm.dispatch.retry import Conditions
from farm.spec.cost import Account, JobCost, Pace, RunCost
from farm.spec.event import Artefact, Checkpointed, Done, Event
from farm.spec.record import JobRecord, Lease
from farm.spec.routing import Decision

Stop = Literal["cancel", "pause", "move"]
"""``move`` ends like a pause, with a checkpoint, and the task goes on somewhere else."""


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


class Past(Protocol):
    """An attempt that was made."""

    @property
    def task(self) -> str:
        """Its task."""
        ...

    @property
    def token(self) -> int:
        """Its fencing token."""
        ...

    @property
    def cause(self) -> str:
        """Why it ended without a result, empty if it did not."""
        ...

    @property
    def node(self) -> str:
        """Where it ran, empty if it never started."""
        ...


class Condition(Protocol):
    """What the queue holds of a node."""

    @property
    def name(self) -> str:
        """Its id."""
        ...

    @property
    def out(self) -> bool:
        """Whether nothing is to be placed there."""
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

    def checkpoint(self, lease: Lease, event: Checkpointed, pace: Pace | None = None) -> Event:
        """Append the event and keep its blob as where to go on from; charge the time up to it."""
        ...

    def complete(self, lease: Lease, done: Done, pace: Pace | None = None) -> Done:
        """End the task with its result; returns that with the job's cost."""
        ...

    def retry(
        self, lease: Lease, cause: str, reason: str, *, delay: float = 0.0, counts: bool = True,
        lost: bool = False,
    ) -> None:  # fmt: skip
        """Give the task back, to be claimed again after ``delay`` seconds."""
        ...

    def fail(self, lease: Lease, cause: str, reason: str) -> None:
        """End the task without a result."""
        ...

    def quarantine(
        self, lease: Lease, cause: str, reason: str, evidence: tuple[Artefact, ...] = ()
    ) -> None:
        """End the task without a result, with what somebody may look into."""
        ...

    def stopped(self, lease: Lease) -> None:
        """End or hold back the task as people asked."""
        ...

    def park(self, lease: Lease, reason: str, wanted_usd: float) -> None:
        """Put the job aside until its project can promise so much for it."""
        ...

    def hold(self, lease: Lease, usd: float, goes_on: Callable[[Account, float], bool]) -> bool:
        """Keep at least so much reserved for the job; whether its project lets it go on."""
        ...

    def unpark(self, admits: Callable[[Account, float], None]) -> list[str]:
        """Take up the parked jobs that their projects can bear again; returns their ids."""
        ...

    def account(self, project: str) -> Account:
        """What a project may spend, has spent and has promised."""
        ...

    def cost(self, job_id: str) -> JobCost:
        """A job's quote against what it took so far."""
        ...

    def run(self, token: int) -> RunCost | None:
        """What the attempt under the lease with that token took; None where it was not routed."""
        ...

    def expired(self) -> Sequence[Lease]:
        """Leases that have run out and are still held."""
        ...

    def held(self, worker_prefix: str = "") -> Sequence[Lease]:
        """All leases of workers of that name."""
        ...

    def job(self, job_id: str) -> JobRecord:
        """A job and what was asked of it."""
        ...

    def attempts(self, job_id: str) -> Sequence[Past]:
        """The attempts at a job's tasks, oldest first."""
        ...

    def events(self, job_id: str, after: int = 0, limit: int = 500) -> Sequence[Event]:
        """A job's log."""
        ...

    def nodes(self) -> Sequence[Condition]:
        """The nodes that the queue knows of."""
        ...

    def ready_count(self) -> int:
        """Tasks that wait for a worker."""
        ...

    def version(self) -> int:
        """A number that changes with every change."""
        ...

    def wait(self, version: int, timeout: float) -> int:
        """Block until the version is another, or ``timeout`` seconds; returns it."""
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

    def check(self) -> None:
        """Raises ``Unavailable`` when nothing can be written."""
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

    def kill(self) -> bool:
        """End it now. True once its processes are known to be gone, as always if it has ended."""
        ...

    def release(self) -> None:
        """Its result is recorded: what it ran on may be used again. ``kill`` does nothing after."""
        ...

    def keep(self, seconds: float) -> None:
        """The lease holds for so long: processes that hear of no longer one by then end themselves."""
        ...

    def tail(self) -> str:
        """The last lines of its log, or what is known of its end where its processes are gone."""
        ...


class Runner(Protocol):
    """Starts attempts on the pool that was chosen, and ends what others have started."""

    def start(self, lease: Lease, decision: Decision, conditions: Conditions) -> Run:
        """Start the leased task where the decision says, under conditions that its past calls for."""
        ...

    def bury(self, task: str, attempt: int) -> bool:
        """End that attempt wherever it runs. True once its processes are known to be gone."""
        ...

    def gone(self, worker: str) -> bool:
        """Whether the dispatcher of that name is known to be gone. False where nobody can tell."""
        ...

    def together(self, pool: str, avoid: Collection[str]) -> int:
        """Most devices that one machine of the pool has, besides those on the nodes to be avoided."""
        ...

    def takes(self, lease: Lease) -> int:
        """Places that the task takes."""
        ...

    def capacity(self, avoid: Collection[str]) -> int:
        """Places that there are, taken or not, besides those on the nodes to be avoided."""
        ...
