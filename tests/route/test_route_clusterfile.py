"""Pools out of a cluster's file, and what is said where it makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.errors import InvalidInput
from farm.route.accelerator import Pool
from farm.route.catalogue import shipped
from farm.route.clusterfile import BOOT_SECONDS, read_pools
from farm.route.stock import Stock

STOCK = Stock(shipped(), {})
SPOT: dict[str, Any] = {"ray.io/market-type": "spot"}
SLOW: dict[str, Any] = {"boot-seconds": "300"}
EUROPE: dict[str, Any] = {"ray.io/availability-region": "eu-west-1"}


def kind(gpus: int = 4, most: int = 2, **labels: str) -> dict[str, Any]:
    return {
        "resources": {"CPU": 8, "GPU": gpus}, "max_workers": most,
        "labels": {"accelerator": "L4", **labels}, "node_config": {},
    }  # fmt: skip


def pools(folder: Path, types: dict[str, Any], **more: Any) -> tuple[Pool, ...]:
    file = folder / "cluster.yaml"
    provider = {"type": "aws", "region": "us-west-2"}
    data = {"provider": provider, "head_node_type": "head", "available_node_types": types, **more}
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    return read_pools(file, STOCK)


def test_a_pool_is_type_count_region_and_market(tmp_path: Path) -> None:
    spot = kind(**SPOT, **SLOW)
    found = pools(tmp_path, {"head": {"resources": {"CPU": 0}}, "b": kind(), "a": spot})
    assert [pool.name for pool in found] == ["L4", "L4-spot"]
    usual, risky = found
    assert (usual.count, usual.machine, usual.up) == (8, 4, 0)
    assert (usual.market, usual.region, usual.boot_seconds) == ("on-demand", "us-west-2", BOOT_SECONDS)
    assert (risky.market, risky.boot_seconds) == ("spot", 300)
    assert risky.price < usual.price


def test_machines_of_two_sizes_are_one_pool(tmp_path: Path) -> None:
    always = {**kind(gpus=1, most=3), "min_workers": 2}
    (found,) = pools(tmp_path, {"small": always, "large": kind(gpus=8, most=1)})
    assert (found.count, found.machine, found.up) == (11, 8, 2)


def test_no_more_is_promised_than_ray_may_start(tmp_path: Path) -> None:
    (found,) = pools(tmp_path, {"print": kind(gpus=4, most=9)}, max_workers=3)
    assert found.count == 12


def test_heads_previews_and_processors_are_no_pools(tmp_path: Path) -> None:
    types = {"head": kind(), "p": kind(tier="preview"), "cpu": {"resources": {"CPU": 4}}}
    assert pools(tmp_path, types) == ()


def test_a_region_of_its_own_goes_before_the_providers(tmp_path: Path) -> None:
    (found,) = pools(tmp_path, {"a": kind(**EUROPE)})
    assert found.region == "eu-west-1"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"accelerator": "L40"}, r"a\.labels\.accelerator: 'L40' is not .*; did you mean 'L40S'\?$"),
        ({"ray.io/market-type": "spott"}, r"market-type: 'spott' is no market; did you mean 'spot'\?$"),
        ({"accelerator": "MI300X", **SPOT}, r"types\.MI300X\.price\.spot_usd_h: missing"),
        ({"boot-seconds": "soon"}, r"a\.labels\.boot-seconds: 'soon' is no number"),
    ],
)
def test_a_label_that_makes_no_sense_is_named(
    tmp_path: Path, labels: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        pools(tmp_path, {"a": kind(**labels)})


def test_gpus_without_a_label_are_nobodys(tmp_path: Path) -> None:
    unlabelled = kind()
    del unlabelled["labels"]
    with pytest.raises(InvalidInput, match=r"types\.a\.labels\.accelerator: missing"):
        pools(tmp_path, {"a": unlabelled})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML at line"),
        ("a: 1", "no available_node_types"),
        ("", "no available_node_types"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=said):
        read_pools(tmp_path / "cluster.yaml", STOCK)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^FARM_CLUSTER_FILE: .* cannot be read"):
        read_pools(tmp_path / "none.yaml", STOCK)
