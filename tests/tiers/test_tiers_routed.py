"""Prints on a cluster of three nodes of three accelerators: each where the router said, and moved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_cases import BYTES, LiveCluster, soon, three_nodes

from farm.route import Speed
from farm.route.calibration import record
from farm.route.catalogue import OVERRIDES, shipped
from farm.settings import Settings

pytestmark = [pytest.mark.ray, pytest.mark.timeout(200)]
VANISHED_SECONDS = 10.0
FAST, STEADY, CHEAP = "A", "B", "C"
AS: dict[str, tuple[str, dict[str, float]]] = {
    FAST: ("H100", {}),  # and measured, see below
    STEADY: ("T4", {}),
    CHEAP: ("L4", {"spot_usd_h": 0.05}),
}
"""What each node's accelerator is like, and what it costs instead."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[LiveCluster]:
    home = tmp_path_factory.mktemp("routed")
    types: dict[str, Any] = {}
    for name, (like, price) in AS.items():
        types[name] = {**shipped().types[like].model_dump(mode="json"), "aliases": []}
        types[name]["price"].update(price)
    (home / OVERRIDES).write_text(yaml.safe_dump({"types": types}), encoding="utf-8")
    speed = Speed(rate_inf=5.0, p_half=0.001, measured_at=1.0)
    record(Settings(home=home), "farm-texture", speed, gpu=FAST)
    with three_nodes(home, tiny_models) as made:
        labels = {"accelerator": CHEAP, "ray.io/market-type": "spot"}
        made.nodes[CHEAP] = made.cluster.add_node(
            num_cpus=1, num_gpus=1, labels=labels, object_store_memory=BYTES
        )
        yield made


def pools_of(events: list[Any]) -> list[str]:
    """Where the router sent each attempt."""
    return [event.decision.chosen.pool for event in events if event.kind == "routed"]


def nodes_of(events: list[Any]) -> list[str]:
    return [event.node for event in events if event.kind == "started"]


def test_each_job_runs_where_the_router_said(live: LiveCluster) -> None:
    live.submit("whenever", edge=96)
    live.submit("surely", edge=96, routing={"spot": False})
    live.submit("soon", edge=96, routing={"budget_usd": 50.0})
    for job, pool, sort in (("whenever", f"{CHEAP}-spot", CHEAP), ("surely", STEADY, STEADY),
                            ("soon", FAST, FAST)):  # fmt: skip
        seen = list(live.follow(job))
        assert seen[-1].kind == "done"
        assert pools_of(seen) == [pool]
        assert nodes_of(seen) == [live.node(sort)]
        assert seen[-1].pool == pool
        (routed,) = [event for event in seen if event.kind == "routed"]
        assert {option.pool for option in routed.decision.alternatives} <= {
            f"{CHEAP}-spot", STEADY, FAST
        }  # fmt: skip


def test_a_job_moves_to_the_next_best_when_its_node_goes(live: LiveCluster) -> None:
    live.submit("moving", edge=320)
    seen = live.run("moving", "checkpointed", lambda _: live.end(CHEAP))
    assert seen[-1].kind == "done"
    assert pools_of(seen) == [f"{CHEAP}-spot", STEADY]
    assert nodes_of(seen)[1:] == [live.node(STEADY)]
    assert [event.cause for event in seen if event.kind == "retrying"] == ["lost"]


def test_a_pool_that_vanishes_before_the_print_is_there_gives_way_to_the_next(
    live: LiveCluster,
) -> None:
    import ray

    from farm.tiers.census import nodes

    @ray.remote(num_cpus=0, num_gpus=1)
    class Guest:
        def here(self) -> str:
            return str(ray.get_runtime_context().get_node_id())

    kind: Any = Guest
    guest = kind.options(label_selector={"accelerator": STEADY}).remote()
    assert ray.get([guest.here.remote()], timeout=60) == [live.node(STEADY)]
    gone = live.node(STEADY)
    since = 0.0
    live.submit("waiting", edge=96, routing={"spot": False})
    seen: list[Any] = []
    for event in live.follow("waiting"):
        seen.append(event)
        if event.kind == "routed" and len(pools_of(seen)) == 1:
            live.end(STEADY)
            # How soon that is noticed is Ray's own affair: 15 s unless it is told otherwise.
            assert soon(lambda: not any(node.alive for node in nodes() if node.id == gone), 60)
            since = time.monotonic()
        elif event.kind == "routed":
            assert time.monotonic() - since < VANISHED_SECONDS
    assert seen[-1].kind == "done"
    assert pools_of(seen) == [STEADY, FAST]
    assert nodes_of(seen) == [live.node(FAST)]
    assert [event.cause for event in seen if event.kind == "retrying"] == ["preempted"]
    assert live.queue.tasks("waiting")[0].failures == 0
