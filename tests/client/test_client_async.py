from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from farm import AsyncClient
from farm.clock import ManualClock
from farm.errors import JobFailed, NotFound, Unreachable
from farm.gateway import create_app
from farm.gateway.testing import blank_png, in_memory, listening

JOB = """\
farm: 1
kind: print
content: cat.png
styles: [{name: wave}]
output: {long_edge: 96}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cat.png").write_bytes(blank_png(60, 40))
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path


def test_a_job_from_submission_to_folder(folder: Path) -> None:
    async def story(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            preview = await client.preview(folder / "cat.png", "wave", size=64)
            assert preview.width == 64
            assert (await client.quote(folder / "job.yaml")).width == 96
            job = await client.submit(folder / "job.yaml", key="one")
            assert (await client.job(job.id)).id == job.id
            assert [record.id for record in await client.jobs()] == [job.id]
            kinds: list[str] = []
            async for event in job.events():
                kinds.append(event.kind)
                if event.kind == "rendition":
                    await job.cancel("seen enough")
            with pytest.raises(JobFailed, match="seen enough"):
                await job.result(timeout=5)
            with pytest.raises(NotFound):
                await client.job("none")
            paths = await job.fetch(folder / "out")
            assert [path.name for path in paths] == ["01-preview.png", "events.jsonl"]
            return kinds

    with listening(create_app(in_memory(folder / "store"))) as url:
        assert asyncio.run(story(url)) == ["queued", "rendition", "cancelled"]


def test_a_lost_farm_is_given_up_after_waiting(folder: Path) -> None:
    clock = ManualClock()

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async def wait(seconds: float) -> None:
        clock.advance(seconds)

    async def story() -> None:
        transport = httpx.MockTransport(refuse)
        async with AsyncClient(
            "http://localhost", transport=transport, clock=clock, sleep=wait
        ) as client:
            with pytest.raises(Unreachable, match="farm up"):
                await client.upload(folder / "cat.png")

    asyncio.run(story())
