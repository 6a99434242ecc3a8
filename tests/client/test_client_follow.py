from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder

from farm import Client
from farm.client._follow import PATIENCE, Follower
from farm.clock import ManualClock, SystemClock
from farm.errors import InvalidInput, NotFound, Unreachable
from farm.gateway import create_app
from farm.gateway.ports import Services
from farm.gateway.testing import in_memory, listening
from farm.spec import parse_job
from farm.spec.event import Artefact, Rendition

SPEC = parse_job(
    {
        "farm": 1,
        "kind": "print",
        "content": "sha256:" + "0" * 64,
        "styles": [{"name": "wave"}],
        "output": {"long_edge": 96},
    }
)
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


def test_a_farm_that_stays_away_is_given_up_after_the_stated_patience() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    clock = ManualClock()
    client = Client("http://127.0.0.1:9", transport=httpx.MockTransport(refuse), clock=clock)
    before = clock.now()
    follow = client._follow(Follower("mine", 0))
    with pytest.raises(Unreachable, match="farm watch mine"):
        next(follow)
    assert PATIENCE <= clock.now() - before < PATIENCE + 10


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


def test_a_long_quiet_connection_renews_patience() -> None:
    follower = Follower("mine", 0)
    error, now = Unreachable("url: lost."), 0.0
    for _ in range(100):
        follower.connected(httpx.Response(200), now)
        now += 60
        assert follower.dropped(error, now) == 0.2


def _break_at_once(follower: Follower) -> None:
    for _ in range(100):
        follower.connected(httpx.Response(200), 0.0)
        follower.dropped(Unreachable("url: lost."), 0.1)


def test_a_connection_that_breaks_at_once_does_not() -> None:
    follower = Follower("mine", 0)
    with pytest.raises(Unreachable):
        _break_at_once(follower)


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
