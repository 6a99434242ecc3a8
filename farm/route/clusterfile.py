"""The pools that a Ray cluster's file promises: what its autoscaler may start, before it has.

Both a ``cluster.yaml`` of ``ray up`` and a KubeRay manifest can be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import yaml

from farm.errors import InvalidInput
from farm.route.accelerator import Pool
from farm.route.catalogue import Market
from farm.route.stock import Stock
from farm.spec.base import suggestion

ACCELERATOR, TIER, BOOT = "accelerator", "tier", "boot-seconds"
MARKET, REGION = "ray.io/market-type", "ray.io/availability-region"
"""Labels of nodes. Ray's own names, where it has one; KubeRay fills those in by itself."""
PREVIEW = "preview"
"""The tier that prints keep out of: people wait for what it does."""
BOOT_SECONDS = 240.0
"""Until a machine that says nothing of it is up: start, drivers, image."""


def read_pools(path: Path, stock: Stock) -> tuple[Pool, ...]:
    """The print pools of a cluster's file, by name: GPUs of one type and market together.

    ``count`` is what may be started at most, ``up`` what always runs.

    Raises:
        InvalidInput: the file cannot be read, or the accelerator, market or price of a type is unknown.
    """
    try:
        data = _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InvalidInput(
            f"FARM_CLUSTER_FILE: {path} cannot be read ({error.strerror}); name the file of 'ray up'.",
            field="FARM_CLUSTER_FILE",
        ) from None
    provider = data.get("provider") or {}
    head = data.get("head_node_type")
    found = [
        _pool(name, kind, provider, stock)
        for name, kind in data["available_node_types"].items()
        if name != head and _prints(kind)
    ]
    # Over all node types, Ray starts no more workers than this.
    most = data.get("max_workers")
    return tuple(_capped(pool, most) for pool in _joined(found))


def _prints(kind: Mapping[str, Any]) -> bool:
    gpus = (kind.get("resources") or {}).get("GPU", 0)
    return gpus > 0 and (kind.get("labels") or {}).get(TIER) != PREVIEW


def _pool(name: str, kind: Mapping[str, Any], provider: Mapping[str, Any], stock: Stock) -> Pool:
    labels, gpus = kind.get("labels") or {}, int(kind["resources"]["GPU"])
    place = f"available_node_types.{name}.labels"
    if ACCELERATOR not in labels:
        raise InvalidInput(
            f"{place}.{ACCELERATOR}: missing, so nobody knows what its GPUs are; add a type of the "
            "catalogue of accelerators.",
            field=f"{place}.{ACCELERATOR}",
        )
    market = labels.get(MARKET, "on-demand")
    if market not in get_args(Market):
        raise InvalidInput(
            f"{place}.{MARKET}: {market!r} is no market; {suggestion(str(market), get_args(Market))}",
            field=f"{place}.{MARKET}",
        )
    return stock.pool(
        labels[ACCELERATOR], market, machine=gpus,
        count=gpus * int(kind.get("max_workers", 0)), up=gpus * int(kind.get("min_workers", 0)),
        region=labels.get(REGION) or provider.get("region") or "",
        boot_seconds=_boot(labels, place), provider=str(provider.get("type") or ""),
        field=f"{place}.{ACCELERATOR}",
    )  # fmt: skip


def _boot(labels: Mapping[str, str], place: str) -> float:
    try:
        return max(0.0, float(labels.get(BOOT, BOOT_SECONDS)))
    except ValueError:
        raise InvalidInput(
            f"{place}.{BOOT}: {labels[BOOT]!r} is no number; write seconds, such as '240'.",
            field=f"{place}.{BOOT}",
        ) from None


def _joined(pools: Iterable[Pool]) -> Iterable[Pool]:
    """Node types of one sort are one pool, whatever the size of their machines."""
    for _, alike in groupby(sorted(pools, key=lambda one: one.name), key=lambda one: one.name):
        same = list(alike)
        yield same[0].model_copy(
            update={
                "count": sum(one.count for one in same),
                "up": sum(one.up or 0 for one in same),
                "machine": max(one.machine for one in same),
                "boot_seconds": max(one.boot_seconds for one in same),
            }
        )


def _capped(pool: Pool, most: int | None) -> Pool:
    if most is None:
        return pool
    return pool.model_copy(update={"count": min(pool.count, most * pool.machine)})


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> dict[str, Any]:
    """``changed`` is when, so that a file that is written anew is read anew."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise InvalidInput(f"{path}: not YAML{line}; correct it.") from None
    for data in documents:
        if isinstance(data, dict) and data.get("kind") in ("RayService", "RayCluster"):
            return _on_kubernetes(data["spec"].get("rayClusterConfig") or data["spec"])
        if isinstance(data, dict) and isinstance(data.get("available_node_types"), dict):
            return {str(key): value for key, value in data.items()}
    raise InvalidInput(f"{path}: has no available_node_types; name the cluster.yaml of 'ray up'.")


def _on_kubernetes(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest's worker groups as node types of a ``cluster.yaml``."""
    return {
        "available_node_types": {
            group["groupName"]: {
                "resources": {"GPU": _gpus(group)},
                "min_workers": group.get("minReplicas", 0),
                "max_workers": group.get("maxReplicas", 0),
                "labels": group.get("labels") or {},
            }
            for group in spec.get("workerGroupSpecs") or ()
        }
    }


def _gpus(group: Mapping[str, Any]) -> int:
    limits = group["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {})
    return int(sum(int(amount) for name, amount in limits.items() if name.endswith("/gpu")))
