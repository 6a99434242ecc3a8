from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.clock import ManualClock
from farm.errors import Unavailable
from farm.gateway import create_app
from farm.gateway.stream import HEARTBEAT_SECONDS, LONGEST_PAUSE, SHORTEST_PAUSE, Pace, frames
from farm.gateway.testing import InProcess, in_memory, wave_job
from farm.queue import MemoryQueue
from farm.spec.event import Artefact, Rendition

SPEC = wave_job()
PICTURE = Artefact(name="p.png", blob="0" * 64, media_type="image/png", bytes=1)
RENDITION = Rendition(fidelity="preview", width=1, height=1, picture=PICTURE)


class Script:
    """A bell that plays the next scene instead of waiting, on a clock of its own."""

    def __init__(self, *scenes: Callable[[], object]) -> None:
        self.scenes = list(scenes)
        self.waited: list[tuple[float, float]] = []
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def clear(self) -> None:
        self.cleared = True

    async def wait(self, at_least: float, at_most: float) -> None:
        assert self.cleared, "the bell must be cleared before the look, not after it"
        self.cleared = False
        self.waited.append((at_least, at_most))
        if self.scenes:
            self.time += at_least
            self.scenes.pop(0)()
        else:
            self.time += at_most
        assert len(self.waited) < 200, "the stream never ended"


@pytest.fixture
def queue() -> MemoryQueue:
    queue = MemoryQueue(ManualClock())
    queue.add("mine", SPEC)
    return queue


def told(stream: AsyncGenerator[bytes]) -> list[str]:
    async def collect() -> bytes:
        return b"".join([frame async for frame in stream])

    return asyncio.run(collect()).decode().split("\n\n")[:-1]


def kinds(blocks: list[str]) -> list[str]:
    lines = [line for block in blocks for line in block.split("\n")]
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


def streamed(queue: MemoryQueue, after: int, script: Script) -> list[str]:
    return told(frames(queue, "mine", after, script, now=script.now))


def test_the_pause_grows_while_looks_are_in_vain_and_news_make_it_short() -> None:
    pace = Pace()
    pauses = [pace.next() for _ in range(20)]
    assert pauses[0] == SHORTEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    pace.news()
    assert pace.next() == SHORTEST_PAUSE


def test_a_stream_tells_what_happens_and_ends_with_a_mark(queue: MemoryQueue) -> None:
    script = Script(lambda: queue.append("mine", RENDITION), lambda: queue.cancel("mine", "enough"))
    blocks = streamed(queue, 0, script)
    assert kinds(blocks) == ["queued", "rendition", "cancelled", "end"]
    ident, _, data = blocks[2].split("\n")
    assert ident == "id: 2"
    assert json.loads(data.removeprefix("data: "))["picture"]["blob"] == "0" * 64


def test_a_final_event_that_is_not_the_newest_does_not_end_the_stream(queue: MemoryQueue) -> None:
    queue.cancel("mine", "")
    queue.retry_job("mine")
    blocks = streamed(queue, 0, Script(lambda: queue.cancel("mine", "")))
    assert kinds(blocks) == ["queued", "cancelled", "queued", "cancelled", "end"]


def test_a_stream_resumes_behind_the_last_event_seen(queue: MemoryQueue) -> None:
    queue.append("mine", RENDITION)
    queue.cancel("mine", "")
    assert kinds(streamed(queue, 2, Script())) == ["cancelled", "end"]
    assert kinds(streamed(queue, 3, Script())) == ["end"]


def test_the_first_frame_says_where_the_stream_stands(queue: MemoryQueue) -> None:
    queue.cancel("mine", "")
    first = streamed(queue, 1, Script())[0].split("\n")
    assert first == [": here", "retry: 1000", "id: 1"]


def test_a_quiet_stream_beats_and_nothing_else_wakes_it(queue: MemoryQueue) -> None:
    script = Script()
    stream = frames(queue, "mine", 1, script, now=script.now)

    async def listen() -> list[bytes]:
        return [await anext(stream) for _ in range(4)]

    assert asyncio.run(listen())[1:] == [b": alive\n\n"] * 3
    assert [at_most for _, at_most in script.waited] == [HEARTBEAT_SECONDS] * 3


def test_news_of_other_jobs_neither_make_a_stream_spin_nor_silence_its_heart(
    queue: MemoryQueue,
) -> None:
    queue.add("other", SPEC)
    noise = [lambda: queue.append("other", RENDITION)] * 60
    script = Script(*noise, lambda: queue.cancel("mine", ""))
    blocks = streamed(queue, 0, script)
    assert len(script.waited) == 61
    assert script.waited[-1][0] == LONGEST_PAUSE
    assert blocks.count(": alive") == 3 < script.time / HEARTBEAT_SECONDS


@pytest.fixture
def http(tmp_path: Path, queue: MemoryQueue) -> Iterator[httpx.Client]:
    services = in_memory(tmp_path)
    services.queue.add("mine", SPEC)
    services.queue.append("mine", RENDITION)
    services.queue.cancel("mine", "enough")
    with start_blocking_portal() as portal:
        transport = InProcess(create_app(services), portal)
        yield httpx.Client(transport=transport, base_url="http://localhost")


def test_the_route_streams_and_counts(http: httpx.Client) -> None:
    answer = http.get("/v1/jobs/mine/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert kinds(answer.text.split("\n\n")) == ["queued", "rendition", "cancelled", "end"]
    metrics = http.get("/metrics").text
    assert "farm_events_streamed_total 3.0" in metrics
    assert "farm_sse_clients 0.0" in metrics


def test_last_event_id_wins_over_the_address(http: httpx.Client) -> None:
    answer = http.get("/v1/jobs/mine/events?after=0", headers={"Last-Event-ID": "2"})
    assert kinds(answer.text.split("\n\n")) == ["cancelled", "end"]
    assert kinds(http.get("/v1/jobs/mine/events?after=1").text.split("\n\n"))[0] == "rendition"


def test_json_gives_the_list(http: httpx.Client) -> None:
    headers = {"Accept": "application/json"}
    listed = http.get("/v1/jobs/mine/events?after=1&limit=1", headers=headers).json()
    assert [(event["seq"], event["kind"]) for event in listed] == [(2, "rendition")]


@pytest.mark.parametrize("given", ["x", "-1", "²", "9" * 30])
def test_a_last_event_id_that_is_no_number_is_refused(http: httpx.Client, given: str) -> None:
    answer = http.get("/v1/jobs/mine/events", headers={b"Last-Event-ID": given.encode()})
    assert (answer.status_code, answer.json()["field"]) == (422, "Last-Event-ID")


def test_the_stream_of_an_unknown_job_is_not_found(http: httpx.Client) -> None:
    assert http.get("/v1/jobs/none/events").status_code == 404


def test_a_database_that_goes_away_ends_the_stream_without_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services = in_memory(tmp_path)
    services.queue.add("mine", SPEC)

    def gone(*_: object) -> None:
        raise Unavailable("database: gone; look for it.")

    with start_blocking_portal() as portal:
        transport = InProcess(create_app(services), portal)
        http = httpx.Client(transport=transport, base_url="http://localhost")
        monkeypatch.setattr(services.queue, "events", gone)
        assert "event: end" not in http.get("/v1/jobs/mine/events").text
    assert "the events of job mine broke off: database: gone" in caplog.text
