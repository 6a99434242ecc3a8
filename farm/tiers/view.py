"""The running farm as the gateway's replica sees it, being part of the cluster itself."""

from __future__ import annotations

from typing import Any

import ray

from farm.errors import Unreachable
from farm.spec.farm import Dispatcher, Process
from farm.tiers.dispatcher import NAME, NAMESPACE
from farm.tiers.processes import processes
from farm.tiers.version import code_version

ANSWER_SECONDS = 5.0


class ClusterView:
    """Asks Ray's control store and the dispatcher; holds nothing."""

    def version(self) -> str:
        """Of this process's code."""
        return code_version()

    def processes(self) -> list[Process]:
        """Every process of the farm. Raises Unreachable: Ray's control store does not answer."""
        return [Process.model_validate(found.model_dump()) for found in processes()]

    def dispatcher(self) -> Dispatcher:
        """What it says of itself. Raises Unreachable: it does not answer, or there is none."""
        try:
            actor: Any = ray.get_actor(NAME, namespace=NAMESPACE)
            status: dict[str, Any] = ray.get(actor.status.remote(), timeout=ANSWER_SECONDS)
        except (ValueError, ray.exceptions.RayError) as error:
            raise Unreachable(
                f"dispatcher: does not answer ({type(error).__name__}); Ray starts it again by itself, "
                "look once more in a minute, then at the Ray dashboard."
            ) from None
        return Dispatcher.model_validate({"version": "unknown", **status})
