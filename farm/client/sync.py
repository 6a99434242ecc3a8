"""The blocking client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from httpx_sse import EventSource

from farm.client import _files, _flows, fetching, jobfile
from farm.client._follow import Follower, cut_short
from farm.client._protocol import Call, Flow, Step, T, Wait, Work, unreachable
from farm.client._setup import job_id_of, request_of, stream_timeout, target
from farm.client.preview import Preview
from farm.clock import Clock, SystemClock
from farm.errors import Unreachable
from farm.spec import Event, Job, JobRecord, JobState, Quote, TaskRecord
from farm.spec.event import Done

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
        content: _flows.Picture,
        style: _flows.Picture,
        *,
        size: int = 512,
        strength: float = 0.5,
    ) -> Preview:
        """Stylise a picture now, with ``size`` pixels along its long edge.

        Args:
            content: a picture's path or bytes.
            style: a picture's path or bytes, or the name of a style of the catalogue.
        """
        return self._run(_flows.preview(content, style, size, strength))

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

    def jobs(
        self,
        *,
        state: JobState | str | None = None,
        project: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[JobRecord]:
        """Jobs, newest first; ``before`` is the id of the last one of the page before."""
        return self._run(_flows.jobs(state, project, limit, before))

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
        request = request_of(self._http, follower.call(), None, stream_timeout(self._timeout))
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
            finally:
                response.close()
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error
        if not follower.ended:
            raise cut_short(self.url)


class JobHandle:
    """A job on the farm; holds its id only, so everything it says is fresh."""

    def __init__(self, client: Client, id: str) -> None:  # noqa: A002
        self._client = client
        self.id = id

    def __repr__(self) -> str:
        return f"<JobHandle {self.id} at {self._client.url}>"

    def record(self) -> JobRecord:
        """The job as it stands."""
        return self._client._run(_flows.record(self.id))

    def tasks(self) -> list[TaskRecord]:
        """Its tasks as they stand."""
        return self._client._run(_flows.tasks(self.id))

    def events(self, after: int = 0) -> Iterator[Event]:
        """Everything that happens, from behind sequence number ``after`` until the job's end.

        A dropped connection resumes by itself; none is lost and none comes twice.

        Raises:
            Unreachable: the farm was away for two minutes.
        """
        return self._client._follow(Follower(self.id, after))

    def result(self, timeout: float | None = None) -> Done:
        """Wait for the job's end.

        Raises:
            JobFailed: it failed or was cancelled; the sentence has the reason.
            TimeoutError: it is not over after ``timeout`` seconds; it goes on by itself.
        """
        return self._client._run(_flows.result(self.id, timeout, self._client._clock.now))

    def cancel(self, reason: str = "") -> JobRecord:
        """Stop it. Raises IllegalTransition: it has ended."""
        return self._client._run(_flows.verb(self.id, "cancel", {"reason": reason}))

    def pause(self) -> JobRecord:
        """Hold it back. Raises IllegalTransition."""
        return self._client._run(_flows.verb(self.id, "pause"))

    def resume(self) -> JobRecord:
        """Release it. Raises IllegalTransition."""
        return self._client._run(_flows.verb(self.id, "resume"))

    def retry(self) -> JobRecord:
        """Put it back into the queue after it failed or was cancelled. Raises IllegalTransition."""
        return self._client._run(_flows.verb(self.id, "retry"))

    def fetch(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Download every rendition, the final files and ``events.jsonl``; returns their paths."""
        return self._client._run(fetching.fetch(self.id, Path(folder)))
