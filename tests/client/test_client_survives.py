"""Clients outlive the farm: its process is killed, it is started again, and the stream goes on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import GatewayProcess, opened, until

from farm import AsyncClient, Client
from farm.errors import Unreachable
from farm.gateway.testing import wave_job
from farm.queue import SqlQueue
from farm.spec.event import Done, Progress
from farm.spec.record import Lease

SPEC = wave_job()


class Story:
    """A job whose worker does its part while the gateway comes and goes."""

    def __init__(self, gateway: GatewayProcess, queue: SqlQueue) -> None:
        self.gateway, self.queue = gateway, queue
        queue.add("mine", SPEC)
        lease = queue.claim("w1", 3600)
        assert lease
        self.lease: Lease = lease

    def work(self, iteration: int) -> None:
        event = Progress(
            task=self.lease.task, attempt=1, scale=1, scales=1, width=9, height=9, loss=0.5,
            iteration=iteration, iterations=4, share=iteration / 4,
        )  # fmt: skip
        self.queue.record(self.lease, event)

    def outage(self) -> None:
        """Killed, missed an event, started again, and done."""
        self.gateway.kill()
        self.work(2)
        self.gateway.start()
        self.work(3)
        self.queue.complete(self.lease, Done())


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    gateway, queue = GatewayProcess(tmp_path), opened(tmp_path)
    gateway.start()
    try:
        yield Story(gateway, queue)
    finally:
        gateway.kill()
        queue.close()


def test_a_stream_goes_on_to_done_after_every_process_was_killed(story: Story) -> None:
    with Client(story.gateway.url) as client:
        stream = client.job("mine").events(timeout=100)
        seen = [next(stream)]
        story.work(1)
        seen.append(next(stream))
        outage = threading.Thread(target=story.outage)
        outage.start()
        seen += stream
        outage.join()
    assert [event.seq for event in seen] == [1, 2, 3, 4, 5]
    assert seen[-1].kind == "done"


def test_an_async_stream_and_a_waiting_result_do_so_too(story: Story) -> None:
    async def tell() -> list[int]:
        told: list[Unreachable | None] = []
        async with AsyncClient(story.gateway.url) as client:
            job = await client.job("mine")
            result = asyncio.create_task(job.result(timeout=100))
            seen = []
            async for event in job.events(timeout=100, away=told.append):
                seen.append(event.seq)
                if event.seq == 1:
                    story.gateway.kill()
                    restart = asyncio.create_task(asyncio.to_thread(wait_and_end, told))
            await restart
            assert (await result).kind == "done"
        assert told[-1] is None
        assert len(told) == 2
        return seen

    def wait_and_end(told: list[Unreachable | None]) -> None:
        until(lambda: bool(told))
        story.gateway.start()
        story.queue.complete(story.lease, Done())

    assert asyncio.run(tell()) == [1, 2]


def test_farm_watch_says_that_the_farm_is_away_and_goes_on(story: Story) -> None:
    command = [sys.executable, "-m", "farm.cli", "watch", "mine", "--json"]
    watch = subprocess.Popen(
        command,
        env={"FARM_URL": story.gateway.url},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with watch:
        assert watch.stdout
        assert watch.stderr
        first = watch.stdout.readline()
        story.gateway.kill()
        away = watch.stderr.readline()
        story.gateway.start()
        back = watch.stderr.readline()
        story.queue.complete(story.lease, Done())
        rest = watch.stdout.readlines()
    assert watch.returncode == 0
    assert '"queued"' in first
    assert away.startswith(f"the farm is away, waiting … (url: no farm answers at {story.gateway.url}")
    assert back == "the farm is back\n"
    assert len(rest) == 1
    assert '"done"' in rest[0]
