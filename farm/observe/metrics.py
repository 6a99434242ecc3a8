"""Every metric of the farm, in one table.

Code counts by these names, the dashboards and alerts are checked against them. Labels take few values,
all known beforehand: never a job, a project, a user, a path or a message. What is known of a single job
is in its events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]

_BLINK = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
_WAIT = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 7200.0)
_LONG = (1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 10800.0, 28800.0, 86400.0)


class Meter(Protocol):
    """Where measurements go. Names and labels are those of ``METRICS`` below."""

    def count(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add a value to a histogram."""
        ...


@dataclass(frozen=True)
class Metric:
    """A metric's name as Prometheus shows it, what it counts, and the labels it has."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("farm_jobs_submitted_total", "counter", "Jobs accepted.", ("kind",)),
    Metric("farm_jobs_finished_total", "counter", "Jobs that ended, by how.", ("kind", "state")),
    Metric("farm_jobs", "gauge", "Jobs now in each state that is not final.", ("state",)),
    Metric("farm_job_seconds", "histogram", "From submission to the end of a job.", ("kind",), _LONG),
    Metric("farm_queue_wait_seconds", "histogram", "From ready to claimed, of a task.", (), _WAIT),
    Metric("farm_tasks_retried_total", "counter", "Attempts that ended without a result.", ("cause",)),
    Metric("farm_dispatcher_up", "gauge", "1 while the dispatcher goes round its loop."),
    Metric(
        "farm_http_requests_total", "counter", "HTTP requests answered, by route template.",
        ("route", "method", "status"),
    ),
    Metric("farm_http_seconds", "histogram", "Time to answer a request.", ("route",), _BLINK),
    Metric("farm_events_streamed_total", "counter", "Job events sent to clients."),
    Metric("farm_sse_clients", "gauge", "Event streams open now."),
    Metric(
        "farm_preview_seconds", "histogram",
        "A preview by stage: decode, wait, model, encode, and total.",
        ("stage",), _BLINK,
    ),
    Metric(
        "farm_preview_rungs_total", "counter",
        "Previews by what they became: full, smaller, light, neighbour or refused.", ("rung",),
    ),
    Metric(
        "farm_preview_kept_total", "counter",
        "Previews looked for among those made before, by where they were: memory, store, nowhere.",
        ("where",),
    ),
    Metric("farm_preview_backlog_seconds", "gauge", "Work on previews that was granted, in seconds."),
    Metric(
        "farm_preview_budget_seconds", "gauge", "What a stage of a preview of 512² may take.",
        ("stage",),
    ),
    Metric(
        "farm_preview_over_budget_total", "counter",
        "Stages of previews that took longer than they may.",
        ("stage",),
    ),
    Metric(
        "farm_preview_unsound_total", "counter", "Pictures of a preview net that were not numbers.",
        ("net",),
    ),
    Metric(
        "farm_preview_models_total", "counter",
        "New weights of preview nets seen on disk: taken, or refused and the old ones kept.",
        ("outcome",),
    ),
    Metric("farm_renditions_total", "counter", "Pictures published.", ("fidelity",)),
    Metric(
        "farm_first_rendition_seconds", "histogram", "From submission to a job's first picture.",
        (), _WAIT,
    ),
    Metric("farm_first_renditions_failed_total", "counter", "Jobs that got no picture at once."),
    Metric("farm_print_iterations_total", "counter", "Optimisation iterations done.", ("extractor",)),
    Metric(
        "farm_print_megapixel_iterations_total", "counter",
        "Work done on prints: megapixels times iterations.", ("extractor",),
    ),
    Metric(
        "farm_print_megapixel_iterations_per_second", "gauge", "Speed of the print that ran last.",
        ("extractor", "precision"),
    ),
    Metric("farm_checkpoint_seconds", "histogram", "Time to write a checkpoint.", (), _WAIT),
    Metric("farm_cost_usd_total", "counter", "Spent on finished attempts, in US dollars.", ("pool",)),
)  # fmt: skip

_BY_NAME = {entry.name: entry for entry in METRICS}
_PARTS = ("_bucket", "_sum", "_count")


def metric(name: str) -> Metric:
    """The table's entry.

    Raises:
        ValueError: no such metric; the table above is the only place to add one.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise ValueError(f"{name!r} is not in farm.observe.metrics.METRICS") from None


def series() -> frozenset[str]:
    """Every name under which the table's metrics can be queried: histograms have three."""
    names: set[str] = set()
    for entry in METRICS:
        parts = _PARTS if entry.kind == "histogram" else ("",)
        names.update(entry.name + part for part in parts)
    return frozenset(names)
