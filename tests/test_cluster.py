"""cluster.yaml is valid for the pinned Ray, closed to strangers, and starts what a demand needs.

No Ray runs here: its validation and its scheduler are plain functions.
"""

from __future__ import annotations

import copy
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ray")

from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.common_pb2 import LabelSelectorOperator  # type: ignore[attr-defined]

TEXT = (Path(__file__).parent.parent / "cluster.yaml").read_text(encoding="utf-8")
CLUSTER: dict[str, Any] = yaml.safe_load(TEXT)
TYPES: dict[str, dict[str, Any]] = CLUSTER["available_node_types"]
WORKERS = {name: kind for name, kind in TYPES.items() if name != CLUSTER["head_node_type"]}
IN = LabelSelectorOperator.LABEL_OPERATOR_IN


def is_spot(kind: dict[str, Any]) -> bool:
    return bool(kind["node_config"].get("InstanceMarketOptions", {}).get("MarketType") == "spot")


def launched(count: int, gpus: int, **labels: str) -> tuple[dict[str, int], int]:
    """Workers that would be started for so many requests, beyond those always there, and the unmet."""
    config = AutoscalingConfig(copy.deepcopy(CLUSTER), skip_content_hash=True)
    selector = [(key, IN, [value]) for key, value in labels.items()]
    request = ResourceRequestUtil.make({"GPU": gpus}, label_selectors=[selector] if selector else None)
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=config.get_node_type_configs(),
            max_num_nodes=config.get_max_num_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count([request] * count),
        )
    )
    started = {one.instance_type: one.count for one in reply.to_launch}
    return started, len(reply.infeasible_resource_requests)


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
    assert kind["labels"]["market"] == ("spot" if is_spot(kind) else "on-demand")
    assert kind["labels"]["tier"] in ("preview", "print")
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


def test_a_print_goes_to_spot_before_on_demand() -> None:
    started, unmet = launched(4, 4, tier="print", accelerator="L4")
    assert (started, unmet) == ({"preview-l4": 1, "print-l4-spot": 4}, 0)
    started, unmet = launched(6, 4, tier="print", accelerator="L4")
    assert (started, unmet) == ({"preview-l4": 1, "print-l4-spot": 4, "print-l4": 2}, 0)


def test_the_accelerator_asked_for_is_the_one_started() -> None:
    assert launched(1, 8, accelerator="A100")[0] == {"preview-l4": 1, "print-a100-spot": 1}
    assert launched(1, 1, accelerator="L40S")[0] == {"preview-l4": 1, "print-l40s-spot": 1}
    assert launched(1, 4, accelerator="L4", market="on-demand")[0] == {"preview-l4": 1, "print-l4": 1}


def test_what_no_type_has_is_unmet() -> None:
    assert launched(1, 1, accelerator="H100") == ({"preview-l4": 1}, 1)
    assert launched(3, 16) == ({"preview-l4": 1}, 3)
