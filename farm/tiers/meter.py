"""Metrics of processes that Ray runs, exported by Ray itself as ``ray_<name>``."""

from __future__ import annotations

from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

from farm.observe.meter import checked
from farm.observe.metrics import Kind, Metric


class RayMeter:
    """A meter on ``ray.util.metrics``, from the same table as every other."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def count(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """Add to a counter; zero is nothing to add."""
        if value > 0:
            self._metric(name, "counter", labels).inc(value, tags=labels)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        self._metric(name, "gauge", labels).set(value, tags=labels)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add to a histogram."""
        self._metric(name, "histogram", labels).observe(max(value, 1e-9), tags=labels)

    def _metric(self, name: str, kind: Kind, labels: dict[str, str]) -> Any:
        if name not in self._made:
            self._made[name] = _make(checked(name, kind, labels))
        return self._made[name]


def _make(metric: Metric) -> Counter | Gauge | Histogram:
    # Ray adds "_total" to counters by itself.
    if metric.kind == "counter":
        return Counter(metric.name.removesuffix("_total"), metric.help, tag_keys=metric.labels)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.help, tag_keys=metric.labels)
    return Histogram(metric.name, metric.help, boundaries=list(metric.buckets), tag_keys=metric.labels)
