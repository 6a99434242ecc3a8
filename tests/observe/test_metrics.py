"""The table is sound, and the Prometheus meter keeps to it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from farm.observe import METRICS, Meter, Metric, NullMeter, PrometheusMeter, metric, series

BOUNDED = {
    "kind", "state", "cause", "route", "method", "status", "stage", "fidelity", "extractor",
    "precision", "pool", "rung", "where", "net", "outcome",
}  # fmt: skip


@pytest.mark.parametrize("entry", METRICS, ids=lambda entry: entry.name)
def test_each_entry_follows_the_conventions(entry: Metric) -> None:
    assert re.fullmatch(r"farm_[a-z_]+", entry.name)
    assert entry.name.endswith("_total") == (entry.kind == "counter")
    assert bool(entry.buckets) == (entry.kind == "histogram")
    assert list(entry.buckets) == sorted(set(entry.buckets))
    assert entry.help.endswith(".")
    assert set(entry.labels) <= BOUNDED


def test_names_are_unique() -> None:
    assert len({entry.name for entry in METRICS}) == len(METRICS)


def test_previews_have_a_bucket_at_their_promise() -> None:
    assert 0.3 in metric("farm_preview_seconds").buckets


def test_the_whole_table_is_exposed_under_the_names_it_says() -> None:
    meter = PrometheusMeter()
    for entry in METRICS:
        labels = dict.fromkeys(entry.labels, "x")
        if entry.kind == "counter":
            meter.count(entry.name, **labels)
        elif entry.kind == "gauge":
            meter.set(entry.name, 2, **labels)
        else:
            meter.observe(entry.name, 0.2, **labels)
    families = text_string_to_metric_families(meter.exposition().decode())
    exposed = {sample.name for family in families for sample in family.samples}
    assert {name for name in exposed if not name.endswith("_created")} == series()


def test_a_gauge_that_nobody_set_is_not_told() -> None:
    meter = PrometheusMeter()
    assert "farm_dispatcher_up" not in meter.exposition().decode()
    meter.set("farm_dispatcher_up", 0)
    meter.set("farm_dispatcher_up", 0)
    assert "\nfarm_dispatcher_up 0.0\n" in meter.exposition().decode()


def test_values_add_up() -> None:
    meter = PrometheusMeter()
    meter.count("farm_cost_usd_total", 0.25, pool="local-cpu")
    meter.count("farm_cost_usd_total", 0.5, pool="local-cpu")
    meter.set("farm_jobs", 3, state="queued")
    meter.set("farm_jobs", 2, state="queued")
    meter.observe("farm_preview_seconds", 0.3, stage="total")
    meter.observe("farm_preview_seconds", 0.31, stage="total")
    value = meter.registry.get_sample_value
    assert value("farm_cost_usd_total", {"pool": "local-cpu"}) == 0.75
    assert value("farm_jobs", {"state": "queued"}) == 2
    assert value("farm_preview_seconds_bucket", {"stage": "total", "le": "0.3"}) == 1
    assert value("farm_preview_seconds_count", {"stage": "total"}) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.count("farm_jobs_submited_total", kind="print"), "not in farm.observe.metrics"),
        (lambda m: m.count("farm_jobs_submitted_total"), r"has the labels \['kind'\], not \[\]"),
        (lambda m: m.count("farm_jobs_submitted_total", kind="print", job="7f"), "not .'job', 'kind'."),
        (lambda m: m.set("farm_jobs_submitted_total", 1, kind="print"), "is a counter, not a gauge"),
        (lambda m: m.observe("farm_jobs", 1, state="queued"), "is a gauge, not a histogram"),
        (lambda m: m.count("farm_events_streamed_total", -1), "non-negative"),
    ],
    ids=["typo", "label missing", "label too many", "wrong kind", "not a histogram", "negative"],
)
def test_what_is_not_in_the_table_is_refused(
    call: Callable[[PrometheusMeter], None], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        call(PrometheusMeter())


def test_two_meters_do_not_meet() -> None:
    first, second = PrometheusMeter(), PrometheusMeter(CollectorRegistry())
    first.count("farm_events_streamed_total")
    assert second.registry.get_sample_value("farm_events_streamed_total") == 0


def test_both_meters_are_meters() -> None:
    meters: list[Meter] = [NullMeter(), PrometheusMeter()]
    for meter in meters:
        meter.count("farm_events_streamed_total")
        meter.set("farm_sse_clients", 1)
        meter.observe("farm_queue_wait_seconds", 0.1)
