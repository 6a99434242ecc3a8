"""The pools of the cluster as it is now: its GPUs by sort and market, or its processors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from farm.route.accelerator import Accelerator, Pool
from farm.route.calibration import LOCAL_POOL, assumed, local, read
from farm.settings import Settings
from farm.tiers.census import Node, nodes

SORT_LABELS = ("accelerator", "ray.io/accelerator-type")
MARKET_LABEL = "ray.io/market-type"
ANY = "gpu"
"""GPUs of nodes that carry no label of their sort."""


def pools(settings: Settings) -> tuple[Pool, ...]:
    """Where there are GPUs prints run on them, else on processors, a whole machine to an attempt.

    A sort of GPU that nobody has measured is taken for as fast as this machine's processor: too slow,
    which is the safe side for promises. ``farm bench engine`` on it puts that right.

    Raises:
        Unavailable: the file of measurements cannot be read.
    """
    here = [node for node in nodes() if node.alive]
    found = Counter(sort_of(node) for node in here if has_gpus(node))
    if not found:
        count = sum(node.resources.get("CPU", 0) >= 1 for node in here)
        return (Pool(name=LOCAL_POOL, accelerator=local(settings), count=max(1, count)),)
    known = read(settings.folder)
    return tuple(
        Pool(
            name=_name(sort, spot), accelerator=_accelerator(sort, known, settings),
            count=_gpus(here, (sort, spot)), market="spot" if spot else "on-demand",
        )
        for sort, spot in sorted(found)
    )  # fmt: skip


def machines_of(pool: str, avoid: Collection[str] = ()) -> list[Mapping[str, float]]:
    """What each machine of a pool has."""
    here = [node for node in nodes() if node.alive and node.id not in avoid]
    if pool != LOCAL_POOL:
        here = [node for node in here if has_gpus(node) and _name(*sort_of(node)) == pool]
    return [node.resources for node in here]


def selector(pool: str, avoid: Collection[str]) -> dict[str, str]:
    """Labels of the nodes that a bundle of that pool may be placed on."""
    wanted = {"ray.io/node-id": f"!in({','.join(sorted(avoid))})"} if avoid else {}
    for node in nodes():
        if node.alive and has_gpus(node) and _name(*sort_of(node)) == pool:
            label = next((label for label in SORT_LABELS if label in node.labels), None)
            if label:
                wanted[label] = node.labels[label]
            if MARKET_LABEL in node.labels:
                wanted[MARKET_LABEL] = node.labels[MARKET_LABEL]
            break
    return wanted


def capacity(avoid: Collection[str]) -> int:
    """Places of the cluster: its GPUs, or where there are none its machines."""
    here = [node for node in nodes() if node.alive]
    left = [node for node in here if node.id not in avoid]
    if any(has_gpus(node) for node in here):
        return int(sum(node.resources.get("GPU", 0) for node in left))
    return sum(node.resources.get("CPU", 0) >= 1 for node in left)


def has_gpus(node: Node) -> bool:
    """Whether the node has any."""
    return node.resources.get("GPU", 0) >= 1


def sort_of(node: Node) -> tuple[str, bool]:
    """The sort of a node's GPUs, and whether they may be taken away."""
    sort = next((node.labels[label] for label in SORT_LABELS if label in node.labels), ANY)
    return sort, node.labels.get(MARKET_LABEL) == "spot"


def _name(sort: str, spot: bool) -> str:
    return f"{sort}-spot" if spot else sort


def _gpus(here: list[Node], kind: tuple[str, bool]) -> int:
    mine = [node for node in here if has_gpus(node) and sort_of(node) == kind]
    return int(sum(node.resources["GPU"] for node in mine))


def _accelerator(sort: str, known: Mapping[str, Accelerator], settings: Settings) -> Accelerator:
    entry = known.get(sort)
    if entry and entry.kind == "cuda":
        return entry
    return assumed(settings).model_copy(update={"name": sort, "kind": "cuda"})
