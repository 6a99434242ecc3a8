"""A job on the farm, from asyncio code."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farm.client import _flows, _operate, fetching
from farm.client._follow import Away, Follower
from farm.spec import Event, JobRecord, TaskRecord
from farm.spec.cost import JobCost
from farm.spec.event import Done
from farm.spec.farm import Attempt

if TYPE_CHECKING:
    from farm.client.aio import AsyncClient


class AsyncJobHandle:
    """A job on the farm; holds its id only, so everything it says is fresh."""

    def __init__(self, client: AsyncClient, id: str) -> None:  # noqa: A002
        self._client = client
        self.id = id

    def __repr__(self) -> str:
        return f"<AsyncJobHandle {self.id} at {self._client.url}>"

    async def record(self) -> JobRecord:
        """The job as it stands."""
        return await self._client._run(_flows.record(self.id))

    async def tasks(self) -> list[TaskRecord]:
        """Its tasks as they stand."""
        return await self._client._run(_flows.tasks(self.id))

    async def attempts(self) -> list[Attempt]:
        """Every attempt at its tasks, oldest first."""
        return await self._client._run(_operate.attempts(self.id))

    async def cost(self) -> JobCost:
        """Its quote against what it took so far, with each of its attempts."""
        return await self._client._run(_operate.cost(self.id))

    def events(
        self, after: int = 0, *, timeout: float | None = None, away: Away | None = None
    ) -> AsyncGenerator[Event]:
        """Everything that happens, from behind sequence number ``after`` until the job's end.

        A connection that breaks is made again, for as long as the farm is away; no event is lost
        and none comes twice.

        Args:
            timeout: seconds after which to stop, whether the farm answers or not.
            away: told why when the farm has gone away, and ``None`` when it is back.

        Raises:
            TimeoutError: the job is not over after ``timeout`` seconds; it goes on by itself.
            Unreachable: the farm was away when they had passed.
        """
        now = self._client._clock.now()
        until = math.inf if timeout is None else now + timeout
        return self._client._follow(Follower(self.id, after, until=until, away=away))

    async def result(self, timeout: float | None = None) -> Done:
        """Wait for the job's end.

        Raises:
            JobFailed: it failed or was cancelled; the sentence has the reason.
            TimeoutError: it is not over after ``timeout`` seconds; it goes on by itself.
            Unreachable: the farm was away when they had passed; until then it is waited for.
        """
        return await self._client._run(_flows.result(self.id, timeout, self._client._clock.now))

    async def cancel(self, reason: str = "", *, now: bool = False) -> JobRecord:
        """Stop it: its worker ends with the next iteration and keeps the best rendition so far.

        Args:
            now: do not wait for the worker; what it writes from now on is refused.

        Raises:
            IllegalTransition: it has ended.
        """
        return await self._client._run(_operate.cancel(self.id, reason, now))

    async def pause(self) -> JobRecord:
        """Hold it back. Raises IllegalTransition."""
        return await self._client._run(_flows.verb(self.id, "pause"))

    async def resume(self) -> JobRecord:
        """Release it. Raises IllegalTransition."""
        return await self._client._run(_flows.verb(self.id, "resume"))

    async def retry(self, tasks: Sequence[str] = ()) -> JobRecord:
        """Put it back into the queue, or those of its tasks that did not end well.

        Raises:
            IllegalTransition: it, or one of the tasks, has not failed and was not cancelled.
            NotFound: it has no such task.
        """
        return await self._client._run(_operate.retry(self.id, tasks))

    async def fetch(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Download every rendition, the final files and ``events.jsonl``; returns their paths."""
        return await self._client._run(fetching.fetch(self.id, Path(folder)))
