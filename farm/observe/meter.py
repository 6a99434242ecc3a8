"""Meters: one that does nothing, and one for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from farm.observe.metrics import METRICS, Kind, Metric, metric

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Media type of ``PrometheusMeter.exposition``."""


class NullMeter:
    """Counts nothing."""

    def count(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """Do nothing."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Do nothing."""

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Do nothing."""


def checked(name: str, kind: Kind, labels: dict[str, str]) -> Metric:
    """The table's entry for a measurement, for any meter that keeps to the table.

    Raises:
        ValueError: no such metric, another kind of metric, or labels other than its own.
    """
    entry = metric(name)
    if entry.kind != kind:
        raise ValueError(f"{name} is a {entry.kind}, not a {kind}")
    if set(labels) != set(entry.labels):
        raise ValueError(f"{name} has the labels {sorted(entry.labels)}, not {sorted(labels)}")
    return entry


class PrometheusMeter:
    """Keeps the whole table in a registry of its own, to be served under ``/metrics``.

    A gauge is shown from its first value on: what another process measures would read as zero here.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._unset: dict[str, Gauge] = {}
        for entry in METRICS:
            self._create(entry)

    def _create(self, entry: Metric) -> None:
        if entry.kind == "counter":
            self._counters[entry.name] = Counter(
                entry.name, entry.help, entry.labels, registry=self.registry
            )
        elif entry.kind == "gauge":
            self._gauges[entry.name] = Gauge(entry.name, entry.help, entry.labels, registry=None)
            self._unset[entry.name] = self._gauges[entry.name]
        else:
            self._histograms[entry.name] = Histogram(
                entry.name, entry.help, entry.labels, buckets=entry.buckets, registry=self.registry
            )

    def count(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """Add to a counter.

        Raises:
            ValueError: the table does not have it like this, or ``value`` is negative.
        """
        checked(name, "counter", labels)
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(value)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge.

        Raises:
            ValueError: the table does not have it like this.
        """
        checked(name, "gauge", labels)
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)
        if self._unset.pop(name, None):  # by one thread alone, whoever else sets it now
            self.registry.register(gauge)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add a value to a histogram.

        Raises:
            ValueError: the table does not have it like this.
        """
        checked(name, "histogram", labels)
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def exposition(self) -> bytes:
        """Everything measured so far, in Prometheus' text format."""
        return generate_latest(self.registry)
