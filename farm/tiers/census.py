"""What Ray's own records say of nodes and actors, asked of its control store.

Needs neither a driver nor the dashboard. Ray has no public call for most of it, so all that is
private is wrapped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.state import GlobalState, state
from ray._raylet import GcsClient, GcsClientOptions  # type: ignore[attr-defined]  # no stubs

from farm.errors import Unreachable


@dataclass(frozen=True)
class Actor:
    """One actor, dead ones for a while too. ``pid`` is 0 before it has a process."""

    id: str
    name: str
    kind: str
    state: str
    node: str
    pid: int
    out_of_memory: bool = False

    @property
    def dead(self) -> bool:
        """Whether Ray will not bring it back."""
        return self.state == "DEAD"


@dataclass(frozen=True)
class Node:
    """One machine of the cluster, or a part of one that runs a Ray of its own."""

    id: str
    address: str
    alive: bool
    resources: Mapping[str, float]
    labels: Mapping[str, str]


def actors(address: str | None = None) -> list[Actor]:
    """All actors that Ray still knows of.

    Args:
        address: ``host:port`` of the cluster's control store; the cluster joined, if absent.

    Raises:
        Unreachable: no Ray answers there.
    """
    return [_actor(row) for row in _state(address).actor_table(None).values()]


def actor(id_: str) -> Actor | None:
    """The actor of that id, in the cluster joined."""
    row: dict[str, Any] = state.actor_table(id_)
    return _actor(row) if row else None


def nodes(address: str | None = None) -> list[Node]:
    """All nodes, dead ones too. Raises as ``actors``."""
    return [
        Node(
            id=row["NodeID"], address=row["NodeManagerAddress"], alive=row["Alive"],
            resources=dict(row["Resources"]), labels=dict(row["Labels"]),
        )
        for row in _state(address).node_table()
    ]  # fmt: skip


def draining() -> dict[str, float | None]:
    """Nodes that are being given up, each with its deadline in epoch seconds if it has one."""
    found: dict[str, int] = state.get_draining_nodes()
    return {node: deadline / 1000 or None for node, deadline in found.items()}


def drain(node: str, reason: str, deadline: float) -> bool:
    """Tell Ray that a node goes away at ``deadline`` (epoch seconds); False if it objects.

    Ray places nothing there any more; what runs there goes on.
    """
    from ray.core.generated import autoscaler_pb2

    reasons: Any = autoscaler_pb2
    preempted = reasons.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    accepted, _ = client.drain_node(node, preempted, reason, int(deadline * 1000))
    return bool(accepted)


def session(address: str) -> str:
    """The name of the cluster's session, which its daemons carry in their command lines."""
    found: bytes = GcsClient(address=address).internal_kv_get(b"session_name", b"session")
    return found.decode()


def _actor(row: dict[str, Any]) -> Actor:
    cause = row["DeathCause"]
    return Actor(
        id=row["ActorID"], name=row["Name"], kind=row["ActorClassName"], state=row["State"],
        node=row["Address"]["NodeID"], pid=row["Pid"], out_of_memory=cause.HasField("oom_context"),
    )  # fmt: skip


def _state(address: str | None) -> Any:
    if address is None:
        return state
    found: Any = GlobalState()  # type: ignore[no-untyped-call]
    options = GcsClientOptions.create(
        address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False
    )
    found._initialize_global_state(options)
    try:
        found._connect_and_get_accessor()
    except ray.exceptions.RaySystemError:
        raise Unreachable(
            f"ray: no cluster answers at {address}; start the farm with 'farm up'."
        ) from None
    return found
