"""``farm bench``: its report is complete. How fast this machine is, no test says."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from farm.cli import bench_quotes, bench_route
from farm.cli.bench_preview import SIZES, round_trips
from farm.cli.figures import Figure, show
from farm.client import Client

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


def test_the_queue_is_measured(farm: Farm, capsys: Captured) -> None:
    assert farm("bench", "queue", "--quick", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"machine", "queue"}
    assert report["machine"]["threads"]
    found = {figure["name"]: figure for figure in report["queue"]}
    assert {"submissions", "claims", "recorded events", "claim, median", "claim, p99"} <= set(found)
    assert all(figure["value"] > 0 for figure in report["queue"])
    ratio = found["claims"]["value"] / found["bare commits"]["value"]
    assert found["claims"]["ratios"]["of_bare_commits"] == pytest.approx(ratio)


def test_routing_is_measured(farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_route, "QUICK", bench_route.Sizes(3, 40, 5, 4, 4, 150, 100))
    assert farm("bench", "route", "--quick", "--json") == 0
    found = {figure["name"]: figure for figure in json.loads(capsys.readouterr().out)["route"]}
    assert found["decision, new work"]["value"] > 0
    assert found["jobs planned"]["value"] > 0
    assert found["regret: a queue that is known"]["value"] >= -1e-9
    assert found["regret: orders every minute"]["value"] >= -1e-9
    assert set(found["simulated: cost"]["ratios"]) >= {"of_cheapest-per-hour", "of_first-fit"}
    assert found["simulated: over a cap"]["value"] >= 0


def test_quotes_are_measured(farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FARM_MODELS")
    monkeypatch.setattr(bench_quotes, "QUICK", bench_quotes.Sizes((32,), ("draft",), 1, 1))
    assert farm("bench", "quotes", "--quick", "--json") == 0
    captured = capsys.readouterr()
    error, covered, first = json.loads(captured.out)["quotes"]
    assert error["value"] >= 0
    assert error["note"].startswith("of 1, the worst ")
    assert covered["note"].endswith(" of 1")
    assert "not calibrated" in first["note"]
    assert len(captured.err.splitlines()) == 2


def test_previews_without_the_net_are_a_row_that_says_so(farm: Farm, capsys: Captured) -> None:
    assert farm("bench", "preview", "--quick") == 0
    assert "not measured: farm-preview is not on this machine" in capsys.readouterr().out


@pytest.mark.usefixtures("running")
def test_round_trips_to_a_farm() -> None:
    with Client() as client:
        found = {figure.name: figure for figure in round_trips(client, dict.fromkeys(SIZES, 1e-3), 3)}
    for side in SIZES:
        median, p95 = found[f"round trip {side}²"].value, found[f"round trip {side}², p95"].value
        assert median is not None
        assert p95 is not None
        assert 0 < median <= p95
        # The gateway of the tests answers by itself: no stage takes any of the time.
        assert found[f"round trip {side}²: added by serving"].value == pytest.approx(median)


def test_figures_as_a_table(capsys: Captured) -> None:
    show([
        Figure(name="speed", value=1234.56, unit="1/s", ratios={"times_plain": 1.5}, note="here"),
        Figure(name="other", note="not measured"),
    ])  # fmt: skip
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["speed", "1235", "1/s", "1.5", "times", "plain,", "here"]
    assert out[2].split() == ["other", "–", "not", "measured"]


def test_ratios_near_one_show_what_differs(capsys: Captured) -> None:
    show([Figure(name="loss", value=1.0, ratios={"of_it": 1.0031, "of_that": 0.33333})])
    assert "1.003 of it, 0.333 of that" in capsys.readouterr().out


def test_a_file_gets_a_table_of_a_hundred_columns(capsys: Captured) -> None:
    show([Figure(name="a long name " * 5, value=1.0, unit="MP·it/s", note="and a long remark " * 9)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 100 for line in lines)


def test_bench_alone_shows_what_there_is(farm: Farm, capsys: Captured) -> None:
    farm("bench")
    out = capsys.readouterr().out
    assert all(word in out for word in ("engine", "preview", "queue", "route", "all"))
