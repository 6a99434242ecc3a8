"""Asking Ray's autoscaler for the machines that the work is worth."""

from __future__ import annotations

from collections.abc import Sequence

from ray.autoscaler.sdk import request_resources

from farm.dispatch.demand import Bundle, Limits, demand
from farm.route.clusterfile import PREVIEW, TIER
from farm.settings import Settings
from farm.tiers.placement import bundle, machines


class Growth:
    """The standing request, which stays until it is replaced: asked anew only when it changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked: list[Bundle] = []

    def ask(self, ready: int, running: Sequence[int]) -> None:
        """Have room for what runs and what waits; with neither, the request is taken back."""
        wanted = demand(ready, running, Limits(self._unit(), self._settings.max_devices))
        if wanted != self._asked:
            # Machines of previews are neither counted nor started for prints.
            labels = [{TIER: f"!{PREVIEW}"} if "GPU" in each else {} for each in wanted]
            request_resources(
                bundles=[dict(each) for each in wanted], bundle_label_selectors=labels or None
            )
            self._asked = wanted

    def _unit(self) -> Bundle:
        """One GPU, where the cluster has or may start some; else all processors of a machine."""
        there = machines()
        if any(machine.get("GPU", 0) for machine in there):
            return bundle(gpu=True)
        return {"CPU": max((int(machine.get("CPU", 1)) for machine in there), default=1) or 1}
