from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder

from farm import Client
from farm.client import JobHandle
from farm.client._follow import SILENCE, Follower
from farm.clock import ManualClock, SystemClock
from farm.errors import InvalidInput, NotFound, Unreachable
from farm.gateway import create_app
from farm.gateway.ports import Services
from farm.gateway.testing import in_memory, listening, wave_job
from farm.spec.event import Artefact, Rendition

SPEC = wave_job()
PICTURE = Artefact(name="p.png", blob="0" * 64, media_type="image/png", bytes=1)
RENDITION = Rendition(fidelity="scale", width=1, height=1, picture=PICTURE)


class Cutting(httpx.BaseTransport):
    """A real connection that breaks after a number of frames, once for each number it was given.

    ``quietly`` ends the body as if it were whole, as some proxies do.
    """

    def __init__(self, *frames: int, quietly: bool = False) -> None:
        self.inner = httpx.HTTPTransport()
        self.frames = list(frames)
        self.quietly = quietly
        self.resumed: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        if "last-event-id" in request.headers:
            self.resumed.append(request.headers["last-event-id"])
        if self.frames and answer.headers["content-type"].startswith("text/event-stream"):
            answer.stream = Cut(answer, self.frames.pop(0), self.quietly)
        return answer

    def close(self) -> None:
        self.inner.close()


class Cut(httpx.SyncByteStream):
    def __init__(self, answer: httpx.Response, frames: int, quietly: bool) -> None:
        assert isinstance(answer.stream, httpx.SyncByteStream)
        self.inner = answer.stream
        self.frames = frames
        self.quietly = quietly

    def __iter__(self) -> Iterator[bytes]:
        left = self.frames
        for chunk in self.inner:
            parts = chunk.split(b"\n\n")
            for part in parts[:-1]:
                if part.startswith(b"id:"):
                    if left == 0:
                        yield part[: len(part) // 2]  # a break takes no heed of frames
                        if self.quietly:
                            return
                        raise httpx.ReadError("connection reset")
                    left -= 1
                yield part + b"\n\n"

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = in_memory(tmp_path)
    services.queue.add("mine", SPEC)
    for _ in range(8):
        services.queue.append("mine", RENDITION)
    return services


@pytest.mark.parametrize("quietly", [False, True], ids=["reset", "closed"])
def test_a_stream_that_breaks_loses_nothing_and_doubles_nothing(
    services: Services, quietly: bool
) -> None:
    services.queue.cancel("mine")
    wire = Cutting(3, 0, 4, quietly=quietly)
    with listening(create_app(services)) as url:
        clock = ManualClock()
        with Client(url, transport=wire, clock=clock) as client:
            events = list(client.job("mine").events())
    assert [event.seq for event in events] == list(range(1, 11))
    assert wire.resumed == ["0", "3", "3", "7"]


def test_events_arrive_while_the_job_runs(services: Services) -> None:
    with listening(create_app(services)) as url, Client(url, clock=SystemClock()) as client:
        stream = client.job("mine").events(after=8)
        assert next(stream).seq == 9
        services.queue.append("mine", RENDITION)
        assert next(stream).seq == 10
        services.queue.cancel("mine")
        assert [event.kind for event in stream] == ["cancelled"]


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def handle(transport: httpx.BaseTransport, clock: ManualClock) -> JobHandle:
    return JobHandle(Client("http://127.0.0.1:9", transport=transport, clock=clock), "mine")


def test_a_farm_that_stays_away_is_waited_for_as_long_as_the_caller_says() -> None:
    clock = ManualClock()
    told: list[Unreachable | None] = []
    began = clock.now()
    events = handle(httpx.MockTransport(refuse), clock).events(timeout=3600, away=told.append)
    with pytest.raises(Unreachable, match="farm watch mine"):
        next(events)
    assert clock.now() - began == 3600
    assert len(told) == 1, "told once, however long it takes"
    assert told[0] is not None
    assert "no farm answers" in told[0].message


def test_a_result_waits_for_a_farm_that_is_away(services: Services) -> None:
    clock = ManualClock()
    job = handle(httpx.MockTransport(refuse), clock)
    began = clock.now()
    with pytest.raises(Unreachable):
        job.result(timeout=3600)
    assert clock.now() - began == pytest.approx(3600, abs=1)


def test_a_quiet_job_is_watched_no_longer_than_the_caller_says(services: Services) -> None:
    """Seen at the heartbeat, or where the connection is silent when the time is up."""
    with listening(create_app(services)) as url, Client(url) as client:
        began = SystemClock().now()
        events = client.job("mine").events(timeout=0.3)
        with pytest.raises(TimeoutError, match="mine has not ended in time"):
            list(events)
        assert SystemClock().now() - began >= 0.3


def test_the_time_is_looked_at_with_every_frame() -> None:
    follower = Follower("mine", 0, until=10.0)
    follower.check(9.9)
    with pytest.raises(TimeoutError):
        follower.check(10.0)
    assert follower.silence(now=0.0) == pytest.approx(10)
    assert Follower("mine", 0).silence(now=0.0) == SILENCE
    follower.take(ServerSentEvent("end", "{}"))
    follower.check(10.0)  # it ended in time


def test_away_and_back_are_told_once_each_and_a_single_break_is_not() -> None:
    told: list[Unreachable | None] = []
    follower, error = Follower("mine", 0, away=told.append), Unreachable("url: lost.")
    follower.connected(httpx.Response(200), 0.0)
    follower.dropped(error, 1.0)
    follower.connected(httpx.Response(200), 2.0)
    assert told == []
    follower.dropped(error, 3.0)
    waits = [follower.dropped(error, 3.0) for _ in range(8)]
    assert told == [error]
    assert waits[-1] == 5.0
    follower.connected(httpx.Response(200), 60.0)
    assert told == [error, None]


def test_a_farm_that_restarts_is_waited_for() -> None:
    answers = iter(
        [
            httpx.Response(502, text="bad gateway"),
            httpx.Response(404, text="no route yet"),
            httpx.Response(
                200,
                headers={"content-type": "text/event-stream"},
                text='id: 1\ndata: {"kind": "queued", "seq": 1}\n\nevent: end\ndata: {}\n\n',
            ),
        ]
    )
    transport = httpx.MockTransport(lambda request: next(answers))
    client = Client("http://localhost", transport=transport, clock=ManualClock())
    assert [event.seq for event in client._follow(Follower("mine", 0))] == [1]


def test_an_answer_that_will_not_change_is_not_asked_for_again(services: Services) -> None:
    with listening(create_app(services)) as url, Client(url, clock=ManualClock()) as client:
        with pytest.raises(NotFound):
            next(client._follow(Follower("none", 0)))
        with pytest.raises(InvalidInput):
            next(client._follow(Follower("no id", 0)))


def test_a_long_quiet_connection_is_made_again_at_once() -> None:
    follower = Follower("mine", 0)
    error, now = Unreachable("url: lost."), 0.0
    for _ in range(100):
        follower.connected(httpx.Response(200), now)
        now += 60
        assert follower.dropped(error, now) == 0.2


def test_a_connection_that_breaks_at_once_is_made_again_ever_more_slowly() -> None:
    follower, waits = Follower("mine", 0), []
    for _ in range(8):
        follower.connected(httpx.Response(200), 0.0)
        waits.append(follower.dropped(Unreachable("url: lost."), 0.1))
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_kinds_of_a_newer_farm_are_passed_over() -> None:
    follower = Follower("mine", 0)
    assert follower.take(ServerSentEvent("sung", '{"kind": "sung", "seq": 1}', "1")) is None
    event = follower.take(ServerSentEvent("queued", '{"kind": "queued", "seq": 2, "mood": 1}', "2"))
    assert event is not None
    assert event.seq == 2
    assert follower.take(ServerSentEvent("queued", '{"kind": "queued", "seq": 2}', "2")) is None


def test_heartbeats_between_events_are_passed_over() -> None:
    """As httpx-sse hands them out: a comment and a blank line are an event without data."""
    decoder, found = SSEDecoder(), []
    follower = Follower("mine", 0)
    for line in ("id: 1", "event: queued", 'data: {"kind": "queued", "seq": 1}', "", ": beat", ""):
        frame = decoder.decode(line)
        if frame is not None:
            found.append(follower.take(frame))
    assert [event and event.seq for event in found] == [1, None]
