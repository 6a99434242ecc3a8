"""The pools of the cluster as it is now: its GPUs by sort and market, or its processors.

What nodes say of themselves in labels is looked up in the catalogue of accelerators; a ``cluster.yaml``
adds what the autoscaler may start.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from farm.errors import InvalidInput
from farm.route.accelerator import Pool
from farm.route.calibration import LOCAL_POOL, assumed, local
from farm.route.catalogue import Market
from farm.route.clusterfile import ACCELERATOR, MARKET, PREVIEW, REGION, TIER, read_pools
from farm.route.stock import Stock, label_of, pool_name
from farm.settings import Settings
from farm.tiers.census import Node, draining, nodes

SORT_LABELS = (ACCELERATOR, "ray.io/accelerator-type")
MARKET_LABELS = (MARKET, "market")
ANY = "gpu"
"""GPUs of nodes that carry no label of their sort."""
log = logging.getLogger(__name__)


def pools(settings: Settings) -> tuple[Pool, ...]:
    """Where there are GPUs prints run on them, else on processors, a whole machine to an attempt.

    A sort of GPU that the catalogue does not know is taken for as fast and dear as this machine's
    processor: too slow, which is the safe side for promises. An entry in ``accelerators.yaml`` of the
    farm's home puts that right.

    Raises:
        InvalidInput: the catalogue or the cluster's file is not valid.
        Unavailable: the file of measurements cannot be read.
    """
    here = [node for node in nodes() if node.alive]
    printing = [node for node in here if has_gpus(node)]
    promised = _promised(settings)
    if not printing and not promised:
        count = sum(node.resources.get("CPU", 0) >= 1 for node in here)
        return (Pool(name=LOCAL_POOL, accelerator=local(settings), count=max(1, count)),)
    stock = Stock.of(settings)
    sorts = sorted({sort_of(node) for node in printing})
    found = {one.name: one for one in (_pool(sort, printing, stock, settings) for sort in sorts)}
    return tuple(_together([*promised, *found.values()]))


def machines_of(pool: str, avoid: Collection[str] = ()) -> list[Mapping[str, float]]:
    """What each machine of a pool has, but for those that Ray places nothing on any more."""
    out = {*avoid, *draining()}
    here = [node for node in nodes() if node.alive and node.id not in out]
    if pool != LOCAL_POOL:
        here = [node for node in here if is_in(node, pool)]
    return [node.resources for node in here]


def selector(pool: str, avoid: Collection[str] = ()) -> dict[str, str]:
    """Labels of the nodes that a bundle of that pool may be placed on, be they there or yet to come."""
    wanted = {"ray.io/node-id": f"!in({','.join(sorted(avoid))})"} if avoid else {}
    if pool == LOCAL_POOL:
        return wanted
    sort, market = label_of(pool)
    there = [node for node in nodes() if node.alive and is_in(node, pool)]
    wanted[TIER] = f"!{PREVIEW}"
    if sort != ANY:
        wanted[_key(there, SORT_LABELS)] = sort
    wanted[_key(there, MARKET_LABELS)] = "spot" if market == "spot" else "!spot"
    return wanted


def capacity(avoid: Collection[str]) -> int:
    """Places of the cluster: its GPUs, or where there are none its machines."""
    here = [node for node in nodes() if node.alive]
    left = [node for node in here if node.id not in avoid]
    if any(has_gpus(node) for node in here):
        return int(sum(node.resources["GPU"] for node in left if has_gpus(node)))
    return sum(node.resources.get("CPU", 0) >= 1 for node in left)


def has_gpus(node: Node) -> bool:
    """Whether the node has any for prints."""
    return node.resources.get("GPU", 0) >= 1 and node.labels.get(TIER) != PREVIEW


def is_in(node: Node, pool: str) -> bool:
    """Whether the node's GPUs are of that pool."""
    return has_gpus(node) and pool_name(*sort_of(node)) == pool


def sort_of(node: Node) -> tuple[str, Market]:
    """The sort of a node's GPUs, and the market they come from."""
    sort = next((node.labels[label] for label in SORT_LABELS if label in node.labels), ANY)
    spot = any(node.labels.get(label) == "spot" for label in MARKET_LABELS)
    return sort, "spot" if spot else "on-demand"


def _pool(sort: tuple[str, Market], printing: Sequence[Node], stock: Stock, settings: Settings) -> Pool:
    """What is up of a sort."""
    mine = [node for node in printing if sort_of(node) == sort]
    count = int(sum(node.resources["GPU"] for node in mine))
    machine = int(max(node.resources["GPU"] for node in mine))
    label, market = sort
    try:
        return stock.pool(
            label, market, count=count, up=count, machine=machine,
            region=mine[0].labels.get(REGION, ""), field="label accelerator",
        )  # fmt: skip
    except InvalidInput as error:
        _warn_once(error.message)
    unknown = assumed(settings).model_copy(update={"name": label, "kind": "cuda"})
    return Pool(
        name=pool_name(label, market), accelerator=unknown, count=count, machine=machine, market=market
    )


def _together(pools: Iterable[Pool]) -> list[Pool]:
    """One pool of each name: what may be started, with what is up of it."""
    found: dict[str, Pool] = {}
    for pool in pools:
        known = found.get(pool.name)
        if known is not None:
            pool = known.model_copy(
                update={
                    "up": pool.count, "count": max(known.count, pool.count),
                    "machine": max(known.machine, pool.machine),
                }
            )  # fmt: skip
        found[pool.name] = pool
    return [found[name] for name in sorted(found)]


def _promised(settings: Settings) -> tuple[Pool, ...]:
    """Of the cluster's file; nothing of it is taken to be up before it is seen."""
    if settings.cluster_file is None:
        return ()
    found = read_pools(settings.cluster_file, Stock.of(settings))
    return tuple(pool.model_copy(update={"up": 0}) for pool in found)


def _key(there: Sequence[Node], labels: Sequence[str]) -> str:
    """The label that those nodes have; the first, which a cluster.yaml gives, where none is there."""
    return next((label for label in labels for node in there if label in node.labels), labels[0])


@lru_cache(maxsize=64)
def _warn_once(message: str) -> None:
    log.warning(message)
