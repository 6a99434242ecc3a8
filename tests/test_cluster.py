"""cluster.yaml and kuberay.yaml: valid for the pinned Ray, closed to strangers, starting what is meant.

No Ray runs here: its validation and its scheduler are plain functions.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ray")

from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr as derived,
)
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.common_pb2 import LabelSelectorOperator  # type: ignore[attr-defined]

from farm.engine.pyramid import plan_scales
from farm.route import decide, footprint
from farm.route.accelerator import Pool
from farm.route.catalogue import shipped
from farm.route.clusterfile import read_pools
from farm.route.stock import Stock
from farm.spec import Routing
from farm.tiers import pools as tiers_pools
from farm.tiers.placement import bundle

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "cluster.yaml").read_text(encoding="utf-8")
CLUSTER: dict[str, Any] = yaml.safe_load(TEXT)
KUBERNETES = (ROOT / "kuberay.yaml").read_text(encoding="utf-8")
SERVICE, POLICY = yaml.safe_load_all(KUBERNETES)
RAY_CLUSTER: dict[str, Any] = SERVICE["spec"]["rayClusterConfig"]
AUTOSCALED: dict[str, Any] = derived(
    {"metadata": {"name": "farm", "namespace": "farm"}, "spec": RAY_CLUSTER}
)
"""What the operator's autoscaler makes of the manifest, by Ray's own code."""
NOW = 1_800_000_000.0
MARKET = "ray.io/market-type"
TYPES: dict[str, dict[str, Any]] = CLUSTER["available_node_types"]
WORKERS = {name: kind for name, kind in TYPES.items() if name != CLUSTER["head_node_type"]}
IN, NOT_IN = LabelSelectorOperator.LABEL_OPERATOR_IN, LabelSelectorOperator.LABEL_OPERATOR_NOT_IN


def is_spot(kind: dict[str, Any]) -> bool:
    return bool(kind["node_config"].get("InstanceMarketOptions", {}).get("MarketType") == "spot")


def launched(
    count: int, gpus: int, labels: Mapping[str, str] | None = None, config: Any = None
) -> tuple[dict[str, int], int]:
    """Workers that would be started for so many requests, beyond those always there, and the unmet."""
    scaled = AutoscalingConfig(copy.deepcopy(config or CLUSTER), skip_content_hash=True)
    selector = [
        (key, NOT_IN if value.startswith("!") else IN, [value.removeprefix("!")])
        for key, value in (labels or {}).items()
    ]
    request = ResourceRequestUtil.make({"GPU": gpus}, label_selectors=[selector] if selector else None)
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=scaled.get_node_type_configs(),
            max_num_nodes=scaled.get_max_num_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count([request] * count),
        )
    )
    started = {one.instance_type: one.count for one in reply.to_launch}
    return started, len(reply.infeasible_resource_requests)


def promised(file: str) -> tuple[Pool, ...]:
    return read_pools(ROOT / file, Stock(shipped(), {}))


def test_ray_accepts_it() -> None:
    validate_config(prepare_config(copy.deepcopy(CLUSTER)))


def test_ray_would_refuse_a_typo() -> None:
    broken = copy.deepcopy(CLUSTER)
    broken["available_node_types"]["preview-l4"]["max_worker"] = 3
    with pytest.raises(Exception, match="max_worker"):
        validate_config(prepare_config(broken))


def test_the_image_is_the_installed_ray() -> None:
    assert CLUSTER["docker"]["image"] == f"rayproject/ray:{version('ray')}-py311-gpu"


def test_nothing_is_open_to_strangers() -> None:
    assert "0.0.0.0" not in "".join(line.split("#")[0] for line in TEXT.splitlines())
    merged = prepare_config(copy.deepcopy(CLUSTER))
    (start,) = [line for line in merged["head_start_ray_commands"] if "ray start" in line]
    assert re.findall(r"--dashboard-host=(\S+)", start) == ["127.0.0.1"]
    assert "--env RAY_AUTH_MODE=token" in merged["docker"]["run_options"]
    (path,) = re.findall(r"RAY_AUTH_TOKEN_PATH=(\S+)", " ".join(merged["docker"]["run_options"]))
    assert path in merged["file_mounts"]


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_resources_are_whole_and_labels_text(kind: dict[str, Any]) -> None:
    assert all(type(amount) is int for amount in kind["resources"].values())
    assert all(type(value) is str for value in kind["labels"].values())


def test_the_head_takes_no_work() -> None:
    head = TYPES[CLUSTER["head_node_type"]]
    assert (head["resources"], head["max_workers"]) == ({"CPU": 0}, 0)


@pytest.mark.parametrize("kind", WORKERS.values(), ids=WORKERS)
def test_labels_tell_the_truth_and_idle_workers_leave(kind: dict[str, Any]) -> None:
    assert kind["labels"][MARKET] == ("spot" if is_spot(kind) else "on-demand")
    assert kind["labels"]["tier"] in ("preview", "print")
    assert kind["labels"]["accelerator"] in shipped().types
    assert 0 < kind["idle_timeout_s"] <= 900
    assert kind["max_workers"] >= 1


def test_spot_and_on_demand_are_both_there_and_previews_are_never_on_spot() -> None:
    assert {is_spot(kind) for kind in WORKERS.values()} == {True, False}
    previews = [kind for kind in WORKERS.values() if kind["labels"]["tier"] == "preview"]
    assert previews
    assert not any(is_spot(kind) for kind in previews)
    assert all(kind["min_workers"] >= 1 for kind in previews)


def test_an_empty_queue_keeps_one_warm_worker() -> None:
    assert launched(0, 0) == ({"preview-l4": 1}, 0)


def test_a_demand_without_wishes_goes_to_spot_before_on_demand() -> None:
    wanted = {"tier": "print", "accelerator": "L4"}
    assert launched(4, 4, wanted) == ({"preview-l4": 1, "print-l4-spot": 4}, 0)
    assert launched(6, 4, wanted) == ({"preview-l4": 1, "print-l4-spot": 4, "print-l4": 2}, 0)


def test_what_no_type_has_is_unmet() -> None:
    assert launched(1, 1, {"accelerator": "B200"}) == ({"preview-l4": 1}, 1)
    assert launched(3, 16) == ({"preview-l4": 1}, 3)


def test_there_are_four_accelerators_spot_and_on_demand() -> None:
    pools = promised("cluster.yaml")
    assert len({pool.accelerator.name for pool in pools}) >= 4
    for market in ("spot", "on-demand"):
        assert len({pool.accelerator.name for pool in pools if pool.market == market}) >= 3
    assert {pool.region for pool in pools} == {CLUSTER["provider"]["region"]}
    assert all(pool.price > 0 for pool in pools)
    for pool in pools:
        assert (pool.preemption is None) == (pool.market == "on-demand"), pool.name


def test_previews_keep_their_machines_to_themselves() -> None:
    pools = {pool.name: pool for pool in promised("cluster.yaml")}
    # Four print machines of four at most; the preview machines are not among them.
    assert (pools["L4-spot"].count, pools["L4-spot"].machine) == (16, 4)
    assert (pools["L4"].count, pools["L4"].machine) == (8, 4)


@pytest.mark.parametrize("config", [CLUSTER, AUTOSCALED], ids=["cluster.yaml", "kuberay.yaml"])
@pytest.mark.parametrize("pool", promised("cluster.yaml"), ids=lambda pool: pool.name)
def test_what_is_asked_for_by_a_pools_labels_is_of_that_pool(
    pool: Pool, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a single place to a whole machine, with nothing there yet."""
    monkeypatch.setattr(tiers_pools, "nodes", list)
    labels = tiers_pools.selector(pool.name)
    for gpus in (1, pool.machine):
        started, unmet = launched(1, gpus, labels, config)
        assert unmet == 0
        (name,) = set(started) - {"preview-l4"}
        kind = config["available_node_types"][name]
        assert kind["labels"]["accelerator"] == pool.accelerator.name
        assert kind["labels"][MARKET] == pool.market
        assert kind["labels"]["tier"] == "print"


WISHES = {
    "no hurry": (Routing(), 1),
    "no spot": (Routing(spot=False), 1),
    "soon": (Routing(deadline=datetime.fromtimestamp(NOW + 1500, UTC)), 1),
    "at any price": (Routing(budget_usd=1000), 1),
    "many": (Routing(), 5),
}


@pytest.mark.parametrize("config", [CLUSTER, AUTOSCALED], ids=["cluster.yaml", "kuberay.yaml"])
@pytest.mark.parametrize(("wish", "jobs"), WISHES.values(), ids=WISHES)
def test_what_would_be_started_is_what_the_router_meant(
    wish: Routing, jobs: int, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers_pools, "nodes", list)
    scales = [(s.width, s.height, s.iterations) for s in plan_scales(9933, 14043, "standard")]
    decision = decide(footprint(scales, "vgg19"), promised("cluster.yaml"), wish, NOW)
    chosen = decision.chosen
    (pool,) = [pool for pool in promised("cluster.yaml") if pool.name == chosen.pool]
    labels = tiers_pools.selector(chosen.pool)
    started, unmet = launched(jobs, chosen.devices, labels, config)
    assert unmet == 0
    (name,) = set(started) - {"preview-l4"}
    kind = config["available_node_types"][name]
    assert kind["labels"]["accelerator"] == chosen.accelerator
    assert kind["labels"][MARKET] == pool.market
    assert started[name] == -(-jobs // (pool.machine // chosen.devices))
    assert wish.spot or pool.market == "on-demand"


def test_a_print_takes_no_more_processors_than_its_machine_has_beside_each_gpu() -> None:
    for kind in WORKERS.values():
        takes = bundle(gpu=True)
        assert kind["resources"]["CPU"] >= takes["CPU"] * kind["resources"]["GPU"]


def test_kubernetes_gets_the_same_workers() -> None:
    groups: dict[str, dict[str, Any]] = dict(AUTOSCALED["available_node_types"])
    groups.pop(AUTOSCALED["head_node_type"])
    assert groups.keys() == WORKERS.keys()
    for name, group in groups.items():
        kind = WORKERS[name]
        assert group["resources"]["GPU"] == kind["resources"]["GPU"]
        for key in ("labels", "max_workers", "idle_timeout_s", "priority"):
            assert group.get(key) == kind.get(key), (name, key)
        assert group["min_workers"] == kind.get("min_workers", 0)
    assert AUTOSCALED["available_node_types"][AUTOSCALED["head_node_type"]]["resources"] == {
        "CPU": 0, "memory": 28 * 2**30
    }  # fmt: skip


def test_the_farm_reads_the_same_pools_from_both() -> None:
    here = {"region": "", "egress_usd_gb": 0.0}
    ours = [pool.model_copy(update=here) for pool in promised("cluster.yaml")]
    assert ours == list(promised("kuberay.yaml"))


def test_kubernetes_runs_a_pinned_ray_that_asks_for_a_token() -> None:
    assert SERVICE["apiVersion"] == "ray.io/v1"
    assert RAY_CLUSTER["rayVersion"] == version("ray")
    assert RAY_CLUSTER["authOptions"] == {"mode": "token"}
    assert RAY_CLUSTER["autoscalerOptions"]["version"] == "v2"
    specs = [RAY_CLUSTER["headGroupSpec"], *RAY_CLUSTER["workerGroupSpecs"]]
    images = {spec["template"]["spec"]["containers"][0]["image"] for spec in specs}
    (image,) = images
    assert image.endswith(f"-ray{version('ray')}")
    assert f"rayproject/ray:{version('ray')}-py311-gpu" in KUBERNETES


def test_kubernetes_lets_strangers_reach_the_farms_own_port_only() -> None:
    head = RAY_CLUSTER["headGroupSpec"]
    assert "dashboard-host" not in head["rayStartParams"]
    assert "serviceType" not in head  # a ClusterIP: no load balancer before Ray
    selected = POLICY["spec"]["podSelector"]["matchLabels"]
    for spec in (head, *RAY_CLUSTER["workerGroupSpecs"]):
        assert spec["template"]["metadata"]["labels"].items() >= selected.items()
    (anybody,) = [rule for rule in POLICY["spec"]["ingress"] if "from" not in rule]
    assert [port["port"] for port in anybody["ports"]] == [8000]


@pytest.mark.filterwarnings(
    "ignore:Using extra keyword arguments on `Field`:pydantic.PydanticDeprecatedSince20"
)
def test_the_application_that_kubernetes_names_is_there() -> None:
    from ray.serve.schema import ServeDeploySchema

    deployed = ServeDeploySchema(**yaml.safe_load(SERVICE["spec"]["serveConfigV2"]))
    (application,) = deployed.applications
    module, name = str(application.import_path).split(":")
    assert callable(getattr(import_module(module), name))
    assert deployed.http_options.port == 8000
