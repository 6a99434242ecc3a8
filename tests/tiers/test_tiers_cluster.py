"""Prints on a cluster of several nodes, of which ranks, nodes and the dispatcher are lost under way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cluster_cases import LiveCluster, three_nodes
from tiers_cases import free_port, peer_pid, print_job, rank_pid, soon

from farm.clock import SystemClock
from farm.errors import Unreachable
from farm.settings import Settings
from farm.spec.event import Started

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[LiveCluster]:
    with three_nodes(tmp_path_factory.mktemp("cluster"), tiny_models) as made:
        yield made


def started(events: list[Any]) -> list[tuple[int, str, int]]:
    """Attempt, node and devices of each start."""
    return [(e.attempt, e.node, e.devices) for e in events if e.kind == "started"]


def causes(events: list[Any]) -> list[str]:
    return [event.cause for event in events if event.kind == "retrying"]


def resumed(events: list[Any]) -> bool:
    """Whether the second attempt went on from where the last checkpoint before it was."""
    at = next(n for n, e in enumerate(events) if e.kind == "started" and e.attempt == 2)
    kept = [e for e in events[:at] if e.kind == "checkpointed"][-1]
    first = next(e for e in events[at:] if e.kind in ("progress", "checkpointed"))
    return bool((first.scale, first.iteration) > (kept.scale, kept.iteration))


def test_the_dispatcher_says_who_it_is_and_is_kept(live: LiveCluster) -> None:
    from farm.tiers.version import code_version

    before, after = live.status(), live.status()
    assert before["version"] == code_version()
    assert before["pid"] == after["pid"]
    assert before["node"] in {node.node_id for node in live.cluster.list_all_nodes()}
    assert before["attempts"] == []


def test_every_node_has_a_watcher(live: LiveCluster) -> None:
    from farm.tiers.processes import processes

    def watched() -> set[str]:
        return {each.node for each in processes() if each.role == "watcher"}

    everywhere = {node.node_id for node in live.cluster.list_all_nodes()}
    assert soon(lambda: watched() == everywhere)


def test_a_stopped_rank_is_ended_and_its_gang_with_it(live: LiveCluster) -> None:
    live.submit("silent", devices=2)
    seen = live.run("silent", "checkpointed", lambda seen: os.kill(peer_pid(seen), signal.SIGSTOP))
    assert seen[-1].kind == "done"
    assert causes(seen) == ["lost"]
    assert started(seen) == [(1, live.node("A"), 2), (2, live.node("A"), 2)]
    assert resumed(seen)


def test_a_killed_dispatcher_comes_back_and_finishes(live: LiveCluster) -> None:
    before = live.status()["pid"]
    live.submit("dispatcher", devices=2)
    seen = live.run("dispatcher", "checkpointed", lambda _: os.kill(before, signal.SIGKILL))
    assert seen[-1].kind == "done"
    assert causes(seen) == ["restart"]
    assert resumed(seen)
    ranks = [int(e.worker.removeprefix("pid ")) for e in seen if e.kind == "started"]
    assert soon(lambda: not any(psutil.pid_exists(pid) for pid in ranks))
    assert live.status()["pid"] != before


def test_what_runs_moves_when_a_dispatcher_of_another_version_takes_over(
    live: LiveCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farm.tiers import dispatcher

    before = live.status()["pid"]

    def take_over(_seen: list[Any]) -> None:
        monkeypatch.setattr(dispatcher, "code_version", lambda: "another")
        live.dispatcher()
        monkeypatch.undo()

    live.submit("version")
    seen = live.run("version", "progress", take_over)
    assert seen[-1].kind == "done"
    assert causes(seen) == ["moved"]
    assert resumed(seen)
    assert live.status()["pid"] != before


def test_a_node_that_is_out_gets_nothing(live: LiveCluster) -> None:
    from farm.tiers.dispatcher import end_dispatcher

    out = live.node("A")
    end_dispatcher(live.dispatcher(), "it would be faster than this test", 0.0)
    for number in range(3):
        _fail_on(live, out, f"bad{number}")
    assert [node.name for node in live.queue.nodes() if node.out] == [out]
    live.submit("elsewhere", edge=96)
    live.dispatcher()
    try:
        seen = list(live.follow("elsewhere"))
    finally:
        live.queue.readmit(out)
    assert seen[-1].kind == "done"
    assert started(seen) == [(1, live.node("B"), 1)]


def test_a_rank_on_another_machine_is_ended_by_its_watcher(live: LiveCluster) -> None:
    from farm.tiers.graves import Graves
    from farm.tiers.watchers import Watchers

    far = Watchers(live.settings, SystemClock(), reach=lambda address: False)
    graves = Graves(far)
    live.submit("far")
    ended: list[bool] = []

    def end(seen: list[Any]) -> None:
        assert not graves.bury("far/print", 1), "confirmed without asking anybody"
        far.tend()
        pid = rank_pid(seen)
        ended.append(graves.bury("far/print", 1) and not psutil.pid_exists(pid))
        node = live.node("B")
        assert far.is_running(node, os.getpid(), psutil.Process().create_time())
        assert not far.is_running(node, pid, 0.0)
        assert far.is_running("no such node", pid, 0.0), "nobody can tell"

    seen = live.run("far", "progress", end)
    far.close()
    assert ended == [True]
    assert seen[-1].kind == "done"
    assert causes(seen) == ["lost"]


def test_a_gang_moves_off_a_node_that_goes_away_and_shrinks(live: LiveCluster) -> None:
    file = live.settings.folder / f"leave-{live.node('A')}"
    live.submit("moving", devices=2)

    def announce(_seen: list[Any]) -> None:
        file.write_text('{"seconds": 600}')

    seen = live.run("moving", "progress", announce)
    assert seen[-1].kind == "done"
    (moved,) = [event for event in seen if event.kind == "retrying"]
    assert (moved.cause, moved.reason) == ("preempted", f"{file.name} was left here")
    assert started(seen) == [(1, live.node("A"), 2), (2, live.node("B"), 1)]
    assert resumed(seen)
    task = live.queue.tasks("moving")[0]
    assert (task.failures, task.losses) == (0, 0)


def test_a_print_outlives_its_machine(live: LiveCluster) -> None:
    live.end("A")  # it goes away: the test before has drained it
    live.add("C", 2)
    live.submit("outlives", devices=2)
    seen = live.run("outlives", "checkpointed", lambda _: live.end("C"))
    assert seen[-1].kind == "done"
    assert causes(seen) == ["lost"]
    assert [(attempt, devices) for attempt, _, devices in started(seen)] == [(1, 2), (2, 1)]
    assert started(seen)[1][1] == live.node("B")
    assert resumed(seen)


@pytest.mark.filterwarnings(
    "ignore:Using extra keyword arguments on `Field`:pydantic.PydanticDeprecatedSince20"
)
def test_a_farm_that_joins_a_cluster_leaves_it_as_it_was(live: LiveCluster, tmp_path: Path) -> None:
    import ray

    from farm import Client
    from farm.cli.house import build_gateway
    from farm.tiers.local import running
    from farm.tiers.processes import processes

    @ray.remote(num_cpus=0)
    class Stranger:
        def greet(self) -> str:
            return "still here"

    stranger: Any = Stranger
    stranger.options(name="stranger", lifetime="detached").remote()
    ray.shutdown()
    ports = {"port": free_port(), "dashboard_port": free_port()}
    with running(live.settings.model_copy(update=ports), build_gateway, live.models) as facts:
        assert facts["ray_address"] == live.cluster.address
        with Client(facts["url"]) as client:
            job = client.submit(print_job(tmp_path, quality={"preset": "draft"}))
            assert list(job.events())[-1].kind == "done"
        roles = {each.role for each in processes()}
        assert {"gateway", "previews", "dispatcher", "watcher"} <= roles
    assert not ray.is_initialized()
    ray.init(address=live.cluster.address, namespace="farm", log_to_driver=False)
    assert soon(lambda: {each.role for each in processes()} == {"ray"})
    found: Any = ray.get_actor("stranger")
    assert ray.get([found.greet.remote()], timeout=60) == ["still here"]


def test_an_address_where_no_cluster_answers_is_named(tmp_path: Path) -> None:
    from farm.tiers.cluster import join_ray

    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"FARM_RAY_ADDRESS: no Ray cluster answers at {address}"):
        join_ray(Settings(home=tmp_path), address)


def _fail_on(live: LiveCluster, node: str, job_id: str) -> None:
    """A task that fails there, in the hands of a worker of no dispatcher."""
    live.submit(job_id)
    lease = live.queue.claim("a test", 60.0)
    assert lease is not None
    assert lease.job == job_id
    live.queue.record(lease, Started(task=lease.task, attempt=1, worker="", node=node))
    live.queue.fail(lease, "unknown", "it failed")
