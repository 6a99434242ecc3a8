"""What operators do through the SDK, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from farm import AsyncClient, Client
from farm.errors import IllegalTransition, InvalidInput, NotFound
from farm.gateway import create_app
from farm.gateway.ports import Services
from farm.gateway.testing import in_memory, listening, wave_job
from farm.spec import Decision, Option
from farm.spec.event import Artefact, Done, Routed, Started
from farm.spec.farm import FarmView, Project

SPEC = wave_job(labels={"shot": "sq010"})


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return in_memory(tmp_path)


@pytest.fixture
def client(services: Services) -> Iterator[Client]:
    with listening(create_app(services)) as url, Client(url) as client:
        yield client


def test_the_farm_is_typed(client: Client) -> None:
    view = client.farm()
    assert (view.processes[0].role, view.processes[0].memory_mb) == ("gateway", 100)
    assert view.dispatcher is not None
    assert view.dispatcher.pid == 13


def test_a_newer_farm_may_say_more() -> None:
    view = FarmView.model_validate({"version": "9", "dispatcher": None, "jobs": {}, "mood": "good"})
    assert view.version == "9"


def test_shares(client: Client) -> None:
    set_to = client.set_project("ads", weight=3, max_running=2)
    assert set_to == Project(name="ads", weight=3, max_running=2)
    assert client.projects() == [set_to]
    with pytest.raises(InvalidInput, match="weight"):
        client.set_project("ads", weight=-1)


def test_caps_and_costs(services: Services, client: Client) -> None:
    capped = client.set_cap("ads", 2.5, period="week")
    assert (capped.cap_usd, capped.period, capped.weight) == (2.5, "week", 1.0)
    services.queue.add("mine", wave_job(labels={"shot": "sq010"}, project="ads"))
    lease = services.queue.claim("w1", 30)  # type: ignore[attr-defined]
    way = Option(
        pool="spot", accelerator="card", p50_seconds=4, p90_seconds=8, p50_usd=4, p90_usd=8,
        usd_per_hour=3600.0,
    )  # fmt: skip
    routed = Routed(task=lease.task, decision=Decision(chosen=way, reason="only"))
    services.queue.record(lease, routed)  # type: ignore[attr-defined]
    services.clock.advance(3)  # type: ignore[attr-defined]
    services.queue.complete(lease, Done())  # type: ignore[attr-defined]
    today = date(2027, 1, 15)
    (line,) = client.costs("pool", since=today, until=today, project="ads", tag=("shot", "sq010"))
    assert (line.key, line.usd, line.attempts) == ("spot", 3.0, 1)
    assert client.costs(since=date(2027, 1, 16)) == []
    cost = client.job("mine").cost()
    assert (cost.spent_usd, cost.quoted, [run.pool for run in cost.runs]) == (3.0, None, ["spot"])
    assert client.set_cap("ads", None).cap_usd is None
    with pytest.raises(InvalidInput, match="cap_usd"):
        client.set_cap("ads", -1.0)


def test_nodes(services: Services, client: Client) -> None:
    for name in ("a", "b", "c"):
        services.queue.add(name, SPEC)
        lease = services.queue.claim("w1", 30)  # type: ignore[attr-defined]
        started = Started(task=lease.task, attempt=1, worker="w1", node="n1")
        services.queue.record(lease, started)  # type: ignore[attr-defined]
        services.queue.fail(lease, "unknown", "it broke.")  # type: ignore[attr-defined]
    (node,) = client.nodes()
    assert (node.name, node.out) == ("n1", True)
    with pytest.raises(NotFound):
        client.readmit("n2")
    assert [attempt.node for attempt in client.job("a").attempts()] == ["n1"]


def test_tasks_are_tried_again_and_labels_found(services: Services, client: Client) -> None:
    services.queue.add("mine", SPEC)
    lease = services.queue.claim("w1", 30)  # type: ignore[attr-defined]
    job = client.job("mine")
    assert job.cancel(now=True).state == "cancelled"
    assert job.retry(["print"]).state == "queued"
    with pytest.raises(IllegalTransition):
        job.retry(["print"])
    assert [record.id for record in client.jobs(label=("shot", "sq010"))] == ["mine"]
    assert client.jobs(label=("shot", "sq020")) == []
    with pytest.raises(Exception, match="lease"):
        services.queue.complete(lease, Done())  # type: ignore[attr-defined]


def test_the_evidence_of_a_task_that_was_set_aside_is_fetched(
    services: Services, client: Client, tmp_path: Path
) -> None:
    services.queue.add("mine", SPEC)
    lease = services.queue.claim("w1", 30)  # type: ignore[attr-defined]
    blob = services.store.put(b"it said no")
    log = Artefact(name="attempt-1.log", blob=blob, media_type="text/plain", bytes=10)
    services.queue.quarantine(lease, "unknown", "it broke.", (log,))  # type: ignore[attr-defined]
    paths = client.job("mine").fetch(tmp_path / "out")
    assert [path.name for path in paths] == ["evidence-attempt-1.log", "events.jsonl"]
    assert paths[0].read_bytes() == b"it said no"


def test_asyncio_can_do_the_same(services: Services) -> None:
    async def story(url: str) -> None:
        async with AsyncClient(url) as client:
            assert (await client.farm()).jobs["queued"] == 1
            assert (await client.set_project("ads", max_running=0)).max_running == 0
            assert (await client.set_cap("ads", 5.0)).cap_usd == 5.0
            assert await client.costs("day") == []
            assert [project.name for project in await client.projects()][-1:] == ["default"]
            assert await client.nodes() == []
            with pytest.raises(NotFound):
                await client.readmit("n1")
            job = await client.job("mine")
            assert await job.attempts() == []
            await job.cancel("enough", now=True)
            assert (await job.retry(["print"])).state == "queued"
            assert len(await client.jobs(label=("shot", "sq010"))) == 1

    services.queue.add("mine", SPEC)
    with listening(create_app(services)) as url:
        asyncio.run(story(url))
