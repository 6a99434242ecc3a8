"""A Ray cluster of three nodes in a process of its own, so that all of it can be killed, head too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from chaos_farm import Farm

SIZES = {"A": 2, "B": 1}
"""Sorts of GPU, which exist on paper only, and how many of each. The head has room for no print."""


class Cluster:
    """The cluster of a farm. Its nodes can be ended, and others take their place."""

    def __init__(self, farm: Farm, port: int) -> None:
        self._farm, self._port = farm, port
        self.nodes: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def up(self) -> None:
        """Start it at the port that it had before."""
        log = self._farm.home / "cluster.log"
        tests = Path(__file__).parent.parent
        self._farm.environment["PYTHONPATH"] = f"{tests / 'tiers'}:{tests / 'client'}"
        with log.open("a", encoding="utf-8") as errors:
            self._process = self._farm.spawn(
                [sys.executable, __file__, str(self._port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self.nodes = {}
        for sort in SIZES:
            self.add(sort)

    def add(self, sort: str) -> None:
        """One more node of that sort."""
        self.nodes[sort] = str(self._ask("add", sort))

    def end(self, sort: str) -> None:
        """SIGKILL of a node, as when its machine loses its power."""
        self._ask("end", sort)
        del self.nodes[sort]

    def sort_of(self, node: str) -> str | None:
        """The sort of the node of that id."""
        return next((sort for sort, known in self.nodes.items() if known == node), None)

    def close(self) -> None:
        """Let go of its pipes; its processes are the farm's to end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process = None

    def _ask(self, verb: str, sort: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{verb} {sort}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):  # Ray may talk in between
                return json.loads(line)["node"]
        raise EOFError(f"the cluster's process ended: {(self._farm.home / 'cluster.log').read_text()}")


def serve(port: int) -> None:
    """The process itself: it does what lines of its input say, and answers each."""
    from cluster_cases import BYTES, QUICK_DEATH
    from ray.cluster_utils import Cluster as RayCluster

    head = {
        "num_cpus": 0, "object_store_memory": BYTES, "include_dashboard": False,
        "gcs_server_port": port, "_system_config": QUICK_DEATH,
    }  # fmt: skip
    cluster: Any = RayCluster(initialize_head=True, head_node_args=head)
    nodes: dict[str, Any] = {}
    for line in sys.stdin:
        verb, sort = line.split()
        if verb == "end":
            cluster.remove_node(nodes.pop(sort), allow_graceful=False)
            answer = ""
        else:
            size = SIZES[sort]
            nodes[sort] = cluster.add_node(
                num_cpus=size, num_gpus=size, labels={"accelerator": sort}, object_store_memory=BYTES
            )
            answer = nodes[sort].node_id
        sys.stdout.write(json.dumps({"node": answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
