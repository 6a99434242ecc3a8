"""What the nodes of a cluster say of themselves becomes pools with their market's price."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from farm.route import Speed
from farm.route.calibration import LOCAL_POOL, record
from farm.route.catalogue import OVERRIDES, shipped
from farm.settings import Settings
from farm.tiers import pools as module
from farm.tiers.census import Node
from farm.tiers.pools import capacity, machines_of, pools, selector

ROOT = Path(__file__).parent.parent.parent
SPOT: dict[str, Any] = {"ray.io/market-type": "spot"}
RAYS_T4: dict[str, Any] = {"ray.io/accelerator-type": "T4"}


def node(name: str, gpus: int, alive: bool = True, **labels: str) -> Node:
    resources = {"CPU": 8.0, "GPU": float(gpus)} if gpus else {"CPU": 8.0}
    return Node(name, "here", alive=alive, resources=resources, labels=labels)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[Node]:
    """Nodes to be filled in."""
    there: list[Node] = []
    monkeypatch.setattr(module, "nodes", lambda: there)
    monkeypatch.setattr(module, "draining", dict)
    return there


def test_pools_have_their_types_memory_and_their_markets_price(
    cluster: list[Node], tmp_path: Path
) -> None:
    cluster += [
        node("a", 4, accelerator="L4", **SPOT), node("b", 4, accelerator="L4", **SPOT),
        node("c", 8, accelerator="H100"), node("d", 2, **RAYS_T4),
        node("e", 8, alive=False, accelerator="B200"), node("f", 1, accelerator="L4", tier="preview"),
    ]  # fmt: skip
    found = {pool.name: pool for pool in pools(Settings(home=tmp_path))}
    assert list(found) == ["H100", "L4-spot", "T4"]
    spot = found["L4-spot"]
    assert (spot.count, spot.up, spot.machine, spot.market) == (8, 8, 4, "spot")
    assert spot.price == shipped().price("L4", "spot")
    assert spot.preemption is not None
    assert spot.accelerator.memory_gb == 24
    assert "estimated" in spot.accelerator.speeds["vgg19"].source
    assert found["H100"].price == shipped().price("H100", "on-demand")


def test_a_measured_type_is_preferred_and_others_learn_of_it(
    cluster: list[Node], tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    cluster += [node("a", 1, accelerator="L4"), node("b", 1, accelerator="T4")]
    before = {pool.name: pool for pool in pools(settings)}
    record(settings, "vgg19", Speed(rate_inf=50, p_half=0.1, measured_at=1.0), gpu="L4")
    after = {pool.name: pool for pool in pools(settings)}
    assert after["L4"].accelerator.speeds["vgg19"].rate_inf == 50
    assert after["L4"].price == before["L4"].price
    assert not after["T4"].accelerator.speeds["vgg19"].calibrated
    assert after["T4"].accelerator.speeds["vgg19"].source.endswith("as L4 reaches")


def test_an_unknown_sort_is_taken_for_a_processor_and_said_once(
    cluster: list[Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.append(node("a", 2, accelerator="H10"))
    settings = Settings(home=tmp_path, cpus=2)
    (found,) = pools(settings)
    pools(settings)
    assert (found.name, found.count, found.accelerator.kind) == ("H10", 2, "cuda")
    assert found.accelerator.usd_per_hour == pytest.approx(0.08)
    (said,) = [each.message for each in caplog.records]
    assert said.startswith("label accelerator: 'H10' is not in the catalogue")
    assert said.endswith("did you mean 'H100'?")


def test_ones_own_price_counts(cluster: list[Node], tmp_path: Path) -> None:
    (tmp_path / OVERRIDES).write_text("types: {L4: {price: {on_demand_usd_h: 0.7}}}")
    cluster.append(node("a", 1, accelerator="L4"))
    assert pools(Settings(home=tmp_path))[0].price == 0.7


def test_what_may_be_started_is_there_to_be_chosen(cluster: list[Node], tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, cluster_file=ROOT / "cluster.yaml")
    cluster += [node("head", 0), node("a", 4, accelerator="L4", tier="print", **SPOT)]
    found = {pool.name: pool for pool in pools(settings)}
    assert (found["L4-spot"].up, found["L4-spot"].count) == (4, 16)
    assert (found["H100"].up, found["H100"].count, found["H100"].boot_seconds) == (0, 8, 420)


def test_without_gpus_it_is_a_machines_processors(cluster: list[Node], tmp_path: Path) -> None:
    cluster += [node("a", 0), node("b", 0)]
    (found,) = pools(Settings(home=tmp_path))
    assert (found.name, found.count) == (LOCAL_POOL, 2)
    assert selector(LOCAL_POOL) == {}


def test_a_gang_is_placed_by_the_labels_that_its_pools_nodes_have(cluster: list[Node]) -> None:
    cluster += [
        node("a", 4, accelerator="L4", **SPOT),
        node("b", 2, **RAYS_T4),
        node("c", 1),
    ]
    prints = {"tier": "!preview"}
    assert selector("L4-spot") == {"accelerator": "L4", "ray.io/market-type": "spot", **prints}
    assert selector("L4") == {"accelerator": "L4", "ray.io/market-type": "!spot", **prints}
    assert selector("T4") == {
        "ray.io/accelerator-type": "T4", "ray.io/market-type": "!spot", **prints
    }  # fmt: skip
    assert selector("gpu", {"y", "x"}) == {
        "ray.io/node-id": "!in(x,y)", "ray.io/market-type": "!spot", **prints
    }  # fmt: skip


def test_nodes_that_go_away_have_no_machines(
    cluster: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster += [node("a", 4, accelerator="L4"), node("b", 2, accelerator="L4")]
    assert [each["GPU"] for each in machines_of("L4")] == [4, 2]
    assert [each["GPU"] for each in machines_of("L4", {"a"})] == [2]
    monkeypatch.setattr(module, "draining", lambda: {"b": None})
    assert [each["GPU"] for each in machines_of("L4")] == [4]
    assert machines_of("L4-spot") == []


def test_previews_are_no_places_for_prints(cluster: list[Node]) -> None:
    cluster += [node("a", 4, accelerator="L4"), node("b", 1, accelerator="L4", tier="preview")]
    assert capacity(()) == 4
    assert capacity({"a"}) == 0
