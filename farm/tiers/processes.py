"""Every process of a farm: what it is, where it runs, and what it takes of its machine."""

from __future__ import annotations

from collections.abc import Iterable

import psutil
import ray

from farm.spec.base import Value
from farm.tiers.census import Actor, actors, nodes, session
from farm.tiers.posts import Post, posts

_ROLES = {
    "DispatcherActor": "dispatcher",
    "NodeWatcher": "watcher",
    "PrintRank": "rank",
    "ServeReplica:farm:Gateway": "gateway",
    "ServeReplica:farm:Previews": "previews",
}


class FarmProcess(Value):
    """One process. ``memory_mb`` is its unshared memory, None where it cannot be seen from here."""

    role: str
    node: str
    pid: int
    task: str = ""
    name: str = ""
    state: str = ""
    memory_mb: int | None = None


def processes(address: str | None = None) -> list[FarmProcess]:
    """The processes of the farm's cluster: actors by what they do, Ray's own as role ``ray``.

    Args:
        address: ``host:port`` of the cluster's control store (``ray_address`` of a farm's state); the
            cluster that this process has joined, if absent. A farm of this machine asks for its
            token: ``cluster.authenticate`` first.

    Raises:
        Unreachable: no Ray answers there.
    """
    where = address or ray.get_runtime_context().gcs_address
    alive = [actor for actor in actors(address) if not actor.dead and actor.pid]
    here = {node.id for node in nodes(address) if node.alive and is_here(node.address)}
    works = posts(where)
    found = [_of_actor(actor, here, works.get(actor.id)) for actor in alive]
    return [*found, *_daemons(session(where), {process.pid for process in found}, sorted(here))]


def _of_actor(actor: Actor, here: set[str], post: Post | None) -> FarmProcess:
    return FarmProcess(
        role=_ROLES.get(actor.kind, "ray"), node=actor.node, pid=actor.pid,
        task=post.task if post else "", name=actor.name or actor.kind, state=actor.state.lower(),
        memory_mb=_memory_mb(actor.pid) if actor.node in here else None,
    )  # fmt: skip


def _daemons(name: str, known: set[int], here: list[str]) -> Iterable[FarmProcess]:
    """Ray's own processes on this machine: those of the session, and workers that wait for work."""
    for process in _family(name):
        if process.pid in known:
            continue
        known.add(process.pid)
        try:
            title, state = _title(process.cmdline()), process.status()
        except psutil.Error:
            continue
        yield FarmProcess(
            role="ray", node=here[0] if len(here) == 1 else "", pid=process.pid, name=title,
            state=state, memory_mb=_memory_mb(process.pid),
        )  # fmt: skip


def _family(name: str) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if not any(name in word for word in line) or not any("/ray/" in word for word in line[:3]):
                continue
            yield process
            if line[0].endswith("/raylet"):
                yield from process.children(recursive=True)
        except psutil.Error:
            continue


def _title(line: list[str]) -> str:
    """A worker's own title, a script's name, or a program's."""
    words = [word for word in line if word.startswith("ray::") or word.endswith(".py")] or line
    return words[0] if words[0].startswith("ray::") else words[0].rpartition("/")[2]


def is_here(address: str) -> bool:
    """Whether that address is this machine's."""
    return address.startswith("127.") or any(
        address == each.address for card in psutil.net_if_addrs().values() for each in card
    )


def _memory_mb(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_full_info().uss / 1e6)
    except psutil.Error:
        return None
