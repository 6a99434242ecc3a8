"""The blocking client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from farm.client.handle import JobHandle
from farm.client.preview import Preview
from farm.clock import Clock, SystemClock
from farm.errors import Unreachable
from farm.spec import Event, Job, JobRecord, JobState, Quote
from farm.spec.cost import CostLine, Grouping, Period
from farm.spec.farm import FarmView, Node, Project

Spec = Job | Mapping[str, Any] | str | os.PathLike[str]


class Client:
    """A farm, from blocking code. Safe to share between threads.

    Args:
        url: where it is; else ``FARM_URL``, else this machine.
        timeout: seconds that one answer may take.
        transport: how requests travel, for tests and proxies of your own.
        clock: what waits between attempts.

    Every method raises ``Unreachable`` where no farm answers, and the farm's own errors by type.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.url, trust_env = target(url)
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._http = httpx.Client(
            base_url=self.url, timeout=timeout, transport=transport, trust_env=trust_env
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def preview(
        self,
        content: Picture,
        style: Picture,
        *,
        size: int = 512,
        strength: float = 0.5,
        deadline: float | None = None,
        first: Callable[[Preview], object] | None = None,
    ) -> Preview:
        """Stylise a picture now, with ``size`` pixels along its long edge.

        Args:
            content: a picture's path or bytes.
            style: a picture's path or bytes, or the name of a style of the catalogue.
            deadline: seconds after which it is of no use; a busy farm bends further to keep it.
            first: shown a tiny version as soon as that is there.

        Raises:
            Busy: the farm cannot take it now, however small.
        """
        wanted = Wanted(size, strength, deadline)
        return self._run(_previews.preview(content, style, wanted, first))

    def previews(
        self,
        content: Picture,
        styles: Sequence[Picture],
        *,
        size: int = 192,
        strength: float = 0.5,
        deadline: float | None = None,
        each: Callable[[int, Preview], object] | None = None,
    ) -> list[Preview]:
        """A picture in several styles, 24 at most, in their order; for a page of thumbnails.

        Args:
            each: told the number of a style and its preview as soon as that is there.

        Raises:
            FarmError: of the first style that cannot be had.
        """
        wanted = Wanted(size, strength, deadline)
        return self._run(_previews.previews(content, styles, wanted, each))

    def quote(self, spec: Spec, *, overrides: Sequence[str] = ()) -> Quote:
        """What a job would cost and how long it would take; its pictures are uploaded for that."""
        return self._run(_flows.quote(jobfile.job_of(spec, overrides)))

    def submit(
        self,
        spec: Spec,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002
        overrides: Sequence[str] = (),
    ) -> JobHandle:
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
        record = self._run(_flows.submit(jobfile.job_of(spec, overrides), job_id))
        return JobHandle(self, record.id)

    def job(self, id: str) -> JobHandle:  # noqa: A002
        """A handle on a job submitted before. Raises NotFound."""
        return JobHandle(self, self._run(_flows.record(id)).id)

    def find(self, beginning: str) -> JobHandle:
        """A handle on the job whose id is this, or the only one that begins so. Raises NotFound."""
        return JobHandle(self, self._run(_flows.find(beginning)))

    def jobs(
        self,
        *,
        state: JobState | str | None = None,
        project: str | None = None,
        label: tuple[str, str] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[JobRecord]:
        """Jobs, newest first; ``before`` is the id of the last one of the page before."""
        return self._run(_flows.jobs(state, project, label, limit, before))

    def styles(self) -> list[dict[str, Any]]:
        """The catalogue of styles."""
        return self._run(_flows.cards("/v1/styles"))

    def style(self, name: str) -> dict[str, Any]:
        """One style's card. Raises NotFound."""
        return self._run(_flows.style(name))

    def models(self) -> list[dict[str, Any]]:
        """The models that the farm has."""
        return self._run(_flows.cards("/v1/models"))

    def upload(self, path: str | os.PathLike[str]) -> str:
        """The sha256 of a file that the farm has now; sent only if it was not there."""
        return self._run(_flows.upload(Path(path)))

    def download(self, sha256: str, path: str | os.PathLike[str]) -> Path:
        """A blob as a local file, there when whole. Raises NotFound."""
        return self._run(_flows.download(sha256, Path(path)))

    def ready(self) -> dict[str, Any]:
        """How the farm is. Raises Unavailable: a part of it does not work."""
        return self._run(_flows.card("/readyz"))

    def farm(self) -> FarmView:
        """The whole farm at this moment: processes, jobs by state, projects, nodes."""
        return self._run(_operate.farm())

    def projects(self) -> list[Project]:
        """Every project's share and what it uses of it."""
        return self._run(_operate.projects())

    def set_project(self, name: str, *, weight: float = 1.0, max_running: int | None = None) -> Project:
        """Set a project's share: its weight, and the most of its tasks that run at a time."""
        return self._run(_operate.set_project(name, weight, max_running))

    def set_cap(self, name: str, cap_usd: float | None, *, period: Period = "month") -> Project:
        """Set the most that a project may spend in each period, in UTC; None: no cap."""
        return self._run(_operate.set_cap(name, cap_usd, period))

    def costs(
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
        return self._run(_operate.costs(by, since, until, project, tag))

    def nodes(self) -> list[Node]:
        """Machines, by how attempts at tasks ended there."""
        return self._run(_operate.nodes())

    def readmit(self, node: str) -> Node:
        """Give a machine tasks again that was taken out. Raises NotFound."""
        return self._run(_operate.readmit(node))

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = self._perform(step)
                except Unreachable as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Wait):
            self._clock.sleep(step.seconds)
            return None
        if isinstance(step, Work):
            return step.do()
        body = _files.chunks(step.body) if isinstance(step.body, Path) else step.body
        request = request_of(self._http, step, body)
        try:
            return self._exchange(step, request)
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error

    def _exchange(self, call: Call, request: httpx.Request) -> httpx.Response:
        if call.sink is None:
            return self._http.send(request)
        response = self._http.send(request, stream=True)
        try:
            if not response.is_success:
                response.read()
                return response
            with call.sink() as sink:
                for piece in response.iter_bytes():
                    sink.write(piece)
            return response
        finally:
            response.close()

    def _follow(self, follower: Follower) -> Iterator[Event]:
        """Events from one connection after another until the job's end."""
        while not follower.ended:
            try:
                yield from self._connection(follower)
            except Unreachable as error:
                self._clock.sleep(follower.dropped(error, self._clock.now()))

    def _connection(self, follower: Follower) -> Iterator[Event]:
        timeout = stream_timeout(self._timeout, follower.silence(self._clock.now()))
        request = request_of(self._http, follower.call(), None, timeout)
        try:
            response = self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    response.read()
                follower.connected(response, self._clock.now())
                for frame in EventSource(response).iter_sse():
                    event = follower.take(frame)
                    if event is not None:
                        yield event
                    follower.check(self._clock.now())
            finally:
                response.close()
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error
        if not follower.ended:
            raise cut_short(self.url)
