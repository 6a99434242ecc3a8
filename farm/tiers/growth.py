"""Asking Ray's autoscaler for the machines that the work is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ray.autoscaler.sdk import request_resources

from farm.dispatch.demand import Bundle, Limits, demand
from farm.route.clusterfile import PREVIEW, TIER
from farm.settings import Settings
from farm.tiers.placement import bundle, machines
from farm.tiers.pools import selector

Labels = Mapping[str, str]


class Growth:
    """The standing request, which stays until it is replaced: asked anew only when it changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked: list[tuple[Bundle, Labels]] = []

    def ask(self, ready: int, running: Sequence[tuple[int, str]]) -> None:
        """Have room for what runs and what waits; with neither, the request is taken back.

        Tasks that wait are taken to go where the newest attempt was sent: until they are routed in
        their turn nobody knows better.

        Args:
            running: devices and pool of each attempt under way; the pool is empty until it is routed.
        """
        devices = [taken for taken, _ in running]
        wanted = demand(ready, devices, Limits(self._unit(), self._settings.max_devices))
        pools = [pool for taken, pool in running for _ in range(taken)]
        newest = next((pool for pool in reversed(pools) if pool), "")
        pools += [newest] * (len(wanted) - len(pools))
        labels = {pool: _labels(pool) for pool in set(pools)}
        asked = [
            (each, labels[pool] if "GPU" in each else {})
            for each, pool in zip(wanted, pools, strict=True)
        ]
        if asked != self._asked:
            request_resources(
                bundles=[dict(each) for each, _ in asked],
                bundle_label_selectors=[dict(label) for _, label in asked] or None,
            )
            self._asked = asked

    def _unit(self) -> Bundle:
        """One GPU, where the cluster has or may start some; else all processors of a machine."""
        there = machines()
        if any(machine.get("GPU", 0) for machine in there):
            return bundle(gpu=True)
        return {"CPU": max((int(machine.get("CPU", 1)) for machine in there), default=1) or 1}


def _labels(pool: str) -> Labels:
    """Of the machines that a pool's prints go to; those of previews are not started for any."""
    return selector(pool) if pool else {TIER: f"!{PREVIEW}"}
