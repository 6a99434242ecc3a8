"""The client for asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from httpx_sse import EventSource

from farm.client import _files, _flows, _operate, _previews, jobfile
from farm.client._follow import Follower, cut_short
from farm.client._previews import Picture, Wanted
from farm.client._protocol import Call, Flow, Step, T, Wait, Work, unreachable
from farm.client._setup import job_id_of, request_of, stream_timeout, target
from farm.client.aio_handle import AsyncJobHandle
from farm.client.preview import Preview
from farm.client.sync import Spec
from farm.clock import Clock, SystemClock
from farm.errors import Unreachable
from farm.spec import Event, JobRecord, JobState, Quote
from farm.spec.cost import CostLine, Grouping, Period
from farm.spec.farm import FarmView, Node, Project


class AsyncClient:
    """A farm, from asyncio code; the same surface as ``Client``, awaited.

    Args:
        url: where it is; else ``FARM_URL``, else this machine.
        timeout: seconds that one answer may take.
        transport: how requests travel, for tests and proxies of your own.
        clock: what tells the time.
        sleep: what waits between attempts.

    Every method raises ``Unreachable`` where no farm answers, and the farm's own errors by type.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url, trust_env = target(url)
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=timeout, transport=transport, trust_env=trust_env
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def preview(
        self,
        content: Picture,
        style: Picture,
        *,
        size: int = 512,
        strength: float = 0.5,
        deadline: float | None = None,
        first: Callable[[Preview], object] | None = None,
    ) -> Preview:
        """Stylise a picture now, as ``Client.preview`` does; ``first`` is called in another thread."""
        wanted = Wanted(size, strength, deadline)
        return await self._run(_previews.preview(content, style, wanted, first))

    async def previews(
        self,
        content: Picture,
        styles: Sequence[Picture],
        *,
        size: int = 192,
        strength: float = 0.5,
        deadline: float | None = None,
        each: Callable[[int, Preview], object] | None = None,
    ) -> list[Preview]:
        """A picture in several styles, as ``Client.previews``; ``each`` is called in another thread."""
        wanted = Wanted(size, strength, deadline)
        return await self._run(_previews.previews(content, styles, wanted, each))

    async def quote(self, spec: Spec, *, overrides: Sequence[str] = ()) -> Quote:
        """What a job would cost and how long it would take; its pictures are uploaded for that."""
        return await self._run(_flows.quote(jobfile.job_of(spec, overrides)))

    async def submit(
        self,
        spec: Spec,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002
        overrides: Sequence[str] = (),
    ) -> AsyncJobHandle:
        """Hand a job in, with the local pictures it names.

        Args:
            spec: a job, its mapping, or the path of a job file.
            key: the same key submits the same job once only; or choose the ``id`` itself.
            overrides: ``path=value`` settings on top of the spec.

        Raises:
            InvalidInput: the spec or a picture. Refused: rights or budget.
            Conflict: the key or id was used for another job.
        """
        job_id = job_id_of(key, id, self._clock.now())
        record = await self._run(_flows.submit(jobfile.job_of(spec, overrides), job_id))
        return AsyncJobHandle(self, record.id)

    async def job(self, id: str) -> AsyncJobHandle:  # noqa: A002
        """A handle on a job submitted before. Raises NotFound."""
        return AsyncJobHandle(self, (await self._run(_flows.record(id))).id)

    async def find(self, beginning: str) -> AsyncJobHandle:
        """A handle on the job whose id is this, or the only one that begins so. Raises NotFound."""
        return AsyncJobHandle(self, await self._run(_flows.find(beginning)))

    async def jobs(
        self,
        *,
        state: JobState | str | None = None,
        project: str | None = None,
        label: tuple[str, str] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[JobRecord]:
        """Jobs, newest first; ``before`` is the id of the last one of the page before."""
        return await self._run(_flows.jobs(state, project, label, limit, before))

    async def styles(self) -> list[dict[str, Any]]:
        """The catalogue of styles."""
        return await self._run(_flows.cards("/v1/styles"))

    async def style(self, name: str) -> dict[str, Any]:
        """One style's card. Raises NotFound."""
        return await self._run(_flows.style(name))

    async def models(self) -> list[dict[str, Any]]:
        """The models that the farm has."""
        return await self._run(_flows.cards("/v1/models"))

    async def upload(self, path: str | os.PathLike[str]) -> str:
        """The sha256 of a file that the farm has now; sent only if it was not there."""
        return await self._run(_flows.upload(Path(path)))

    async def download(self, sha256: str, path: str | os.PathLike[str]) -> Path:
        """A blob as a local file, there when whole. Raises NotFound."""
        return await self._run(_flows.download(sha256, Path(path)))

    async def ready(self) -> dict[str, Any]:
        """How the farm is. Raises Unavailable: a part of it does not work."""
        return await self._run(_flows.card("/readyz"))

    async def farm(self) -> FarmView:
        """The whole farm at this moment: processes, jobs by state, projects, nodes."""
        return await self._run(_operate.farm())

    async def projects(self) -> list[Project]:
        """Every project's share and what it uses of it."""
        return await self._run(_operate.projects())

    async def set_project(
        self, name: str, *, weight: float = 1.0, max_running: int | None = None
    ) -> Project:
        """Set a project's share: its weight, and the most of its tasks that run at a time."""
        return await self._run(_operate.set_project(name, weight, max_running))

    async def set_cap(self, name: str, cap_usd: float | None, *, period: Period = "month") -> Project:
        """Set the most that a project may spend in each period, in UTC; None: no cap."""
        return await self._run(_operate.set_cap(name, cap_usd, period))

    async def costs(
        self,
        by: Grouping = "project",
        *,
        since: date | None = None,
        until: date | None = None,
        project: str | None = None,
        tag: tuple[str, str] | None = None,
    ) -> list[CostLine]:
        """What was spent, by project, feature, pool or day, and quotes against it.

        Args:
            since, until: first and last day that count, UTC.
            tag: name and value of a label that the jobs have.
        """
        return await self._run(_operate.costs(by, since, until, project, tag))

    async def nodes(self) -> list[Node]:
        """Machines, by how attempts at tasks ended there."""
        return await self._run(_operate.nodes())

    async def readmit(self, node: str) -> Node:
        """Give a machine tasks again that was taken out. Raises NotFound."""
        return await self._run(_operate.readmit(node))

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = await self._perform(step)
                except Unreachable as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _perform(self, step: Step) -> Any:
        if isinstance(step, Wait):
            await self._sleep(step.seconds)
            return None
        if isinstance(step, Work):
            return await asyncio.to_thread(step.do)
        body = _pieces(step.body) if isinstance(step.body, Path) else step.body
        request = request_of(self._http, step, body)
        try:
            return await self._exchange(step, request)
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error

    async def _exchange(self, call: Call, request: httpx.Request) -> httpx.Response:
        if call.sink is None:
            return await self._http.send(request)
        response = await self._http.send(request, stream=True)
        try:
            if not response.is_success:
                await response.aread()
                return response
            with call.sink() as sink:
                async for piece in response.aiter_bytes():
                    await asyncio.to_thread(sink.write, piece)
            return response
        finally:
            await response.aclose()

    async def _follow(self, follower: Follower) -> AsyncGenerator[Event]:
        """Events from one connection after another until the job's end."""
        while not follower.ended:
            try:
                async with aclosing(self._connection(follower)) as events:
                    async for event in events:
                        yield event
            except Unreachable as error:
                await self._sleep(follower.dropped(error, self._clock.now()))

    async def _connection(self, follower: Follower) -> AsyncGenerator[Event]:
        timeout = stream_timeout(self._timeout, follower.silence(self._clock.now()))
        request = request_of(self._http, follower.call(), None, timeout)
        try:
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
                follower.connected(response, self._clock.now())
                async with aclosing(EventSource(response).aiter_sse()) as frames:
                    async for frame in frames:
                        event = follower.take(frame)
                        if event is not None:
                            yield event
                        follower.check(self._clock.now())
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error
        if not follower.ended:
            raise cut_short(self.url)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    pieces = _files.chunks(path)
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
