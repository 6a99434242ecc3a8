"""Every query asks for a metric and labels that exist, and no panel lies over another."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.observe import metric, series

FOLDER = Path(__file__).parent.parent / "dashboards"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "farm.json").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]] + [
    (rule["alert"], rule["expr"]) for rule in ALERTS
]

SELECTOR = re.compile(r'\{__name__=~"([^"]*)"([^{}]*)\}')
MATCHER = re.compile(r'\s*,\s*(\w+)(=~|!~|!=|=)"([^"]*)"')
PART = re.compile(r"_(bucket|sum|count)$")
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


def problems(expression: str) -> list[str]:
    """What is wrong with a query, by the table of metrics."""
    found, labels = [], {"le"}
    if not SELECTOR.search(expression):
        found.append("asks for no metric")
    for pattern, matchers in SELECTOR.findall(expression):
        name = pattern.removeprefix("(ray_)?")
        if name == pattern or name not in series():
            found.append(f"{pattern} is not '(ray_)?' and a name in the table")
            continue
        entry = metric(PART.sub("", name))
        labels |= set(entry.labels)
        used = {label for label, _, _ in MATCHER.findall(matchers)}
        found += [f"{name} has no label {label}" for label in used - set(entry.labels)]
    rest = SELECTOR.sub("", expression)
    found += [f"{word} is outside a selector" for word in re.findall(r"\w*farm_\w+", rest)]
    asked = {label.strip() for group in GROUPING.findall(rest) for label in group.split(",")}
    found += [f"nothing here has the label {label}" for label in asked - labels]
    if rest.count("(") != rest.count(")"):
        found.append("brackets do not match")
    if "histogram_quantile" in rest and "_bucket" not in expression:
        found.append("a quantile needs _bucket")
    return found


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS])
def test_queries_ask_for_what_exists(title: str, expression: str) -> None:
    assert problems(expression) == []


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ('sum(rate({__name__=~"(ray_)?farm_job_total"}[5m]))', "farm_job_total is not"),
        ('sum({__name__=~"(ray_)?farm_preview_seconds"})', "farm_preview_seconds is not"),
        ('sum({__name__=~"(ray_)?farm_jobs_bucket"})', "farm_jobs_bucket is not"),
        ('sum({__name__=~"farm_jobs"})', "farm_jobs is not"),
        ("sum(farm_jobs)", "outside a selector"),
        ('sum({__name__=~"(ray_)?farm_jobs", job="7f"})', "has no label job"),
        ('sum by (project) ({__name__=~"(ray_)?farm_jobs"})', "has the label project"),
        ('sum({__name__=~"(ray_)?farm_jobs"}', "brackets"),
        ('histogram_quantile(0.9, {__name__=~"(ray_)?farm_job_seconds_sum"})', "_bucket"),
    ],
)
def test_a_typo_is_found(expression: str, words: str) -> None:
    assert words in "; ".join(problems(expression))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alerts_say_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["annotations"]["summary"].endswith(".")
    assert len(rule["annotations"]["runbook"]) > 80


def test_alerts_cover_what_they_must() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    assert {"PreviewsSlow", "NoDispatcher", "QueueWaitLong", "JobsFailing", "TasksRetrying"} <= set(
        names
    )


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panels_have_unit_description_and_data_source(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0


def test_the_data_source_is_a_variable() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )


def test_rows_come_in_the_order_of_the_work() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Service", "Queue", "Previews", "Print", "Money"]


def test_panels_have_their_own_id_and_place() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, other)
