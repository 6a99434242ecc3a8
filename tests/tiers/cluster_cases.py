"""A Ray cluster of three nodes on this machine, with GPUs on paper, and a farm's dispatcher."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiers_cases import picture, settle_in, soon

from farm.clock import SystemClock
from farm.queue import Queue, open_queue
from farm.settings import Settings
from farm.spec import parse_job
from farm.store import BlobStore

BYTES = 80_000_000
QUICK_DEATH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}
"""A node that is gone is noticed after about four seconds instead of fifteen."""


class LiveCluster:
    """The cluster, and the queue and store of the farm on it."""

    def __init__(self, cluster: Any, settings: Settings, models: Path, queue: Queue) -> None:
        self.cluster, self.settings, self.models, self.queue = cluster, settings, models, queue
        self.store = BlobStore(settings.store_url)
        self.nodes: dict[str, Any] = {}

    def add(self, sort: str, gpus: int) -> str:
        """A node with so many GPUs of that sort; its id."""
        self.nodes[sort] = self.cluster.add_node(
            num_cpus=gpus, num_gpus=gpus, labels={"accelerator": sort}, object_store_memory=BYTES
        )
        return str(self.nodes[sort].node_id)

    def node(self, sort: str) -> str:
        return str(self.nodes[sort].node_id)

    def end(self, sort: str) -> None:
        """SIGKILL, as when a machine loses its power."""
        self.cluster.remove_node(self.nodes.pop(sort), allow_graceful=False)

    def dispatcher(self) -> Any:
        from farm.tiers.dispatcher import start_dispatcher

        return start_dispatcher(self.settings, self.models, threads=1)

    def status(self) -> dict[str, Any]:
        import ray

        found: dict[str, Any] = ray.get(self.dispatcher().status.remote(), timeout=60)
        return found

    def submit(self, job_id: str, *, devices: int = 1, edge: int = 320, **changes: Any) -> None:
        style = f"sha256:{self.store.put(picture(seed=5))}"
        spec = {
            "farm": 1, "kind": "print", "content": f"sha256:{self.store.put(picture())}",
            "styles": [{"image": style, "rights": {"licence": "own", "source": "these tests"}}],
            "output": {"long_edge": edge}, "quality": {"preset": "draft"},
            "engine": {"precision": "float32", "devices": devices},
        }  # fmt: skip
        self.queue.add(job_id, parse_job({**spec, **changes}))

    def follow(self, job_id: str) -> Iterator[Any]:
        """Events as they come, to the job's end; without a gap or a double."""
        seq, until = 0, time.monotonic() + 150
        while time.monotonic() < until:
            version = self.queue.version()
            for event in self.queue.events(job_id, seq, 1000):
                seq += 1
                assert event.seq == seq
                yield event
                if event.kind in ("done", "failed", "cancelled"):
                    return
            self.queue.wait(version, 5.0)
        log = [event for event in self.queue.events(job_id, 0, 1000) if event.kind != "progress"]
        raise AssertionError(f"{job_id} has not ended: {log[-5:]}, {self.status()}")

    def run(self, job_id: str, when: str, act: Callable[[list[Any]], None]) -> list[Any]:
        """The job's events; ``act`` is called at the first ``when``."""
        seen: list[Any] = []
        acted = False
        for event in self.follow(job_id):
            seen.append(event)
            if event.kind == when and not acted:
                acted = True
                act(seen)
        assert acted, f"no event {when!r} came, but {seen[-1]}"
        return seen


@contextmanager
def three_nodes(home: Path, models: Path) -> Iterator[LiveCluster]:
    """A head without room for prints, a node with two GPUs of sort A, and one with one of sort B."""
    import ray
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        settle_in(patch, home, models)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()
        head = {
            "num_cpus": 0, "object_store_memory": BYTES, "include_dashboard": False,
            "_system_config": QUICK_DEATH,
        }  # fmt: skip
        cluster = Cluster(initialize_head=True, head_node_args=head)
        stack.callback(cluster.shutdown)
        ray.init(address=cluster.address, namespace="farm", log_to_driver=False)
        stack.callback(ray.shutdown)
        settings = Settings(
            home=home, models=models, cpus=1, ray_address=cluster.address, lease_seconds=8,
            lease_grace_seconds=2, silence_seconds=6, linger_seconds=2,
            notice_file=home / "leave-{node}",
        )  # fmt: skip
        queue = open_queue(settings.database_url, SystemClock())
        stack.callback(queue.close)
        live = LiveCluster(cluster, settings, models, queue)
        live.add("A", 2)
        live.add("B", 1)
        live.dispatcher()
        yield live


__all__ = ["LiveCluster", "soon", "three_nodes"]
