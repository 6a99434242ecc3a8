"""``farm bench``: its report is complete. How fast this machine is, no test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from farm.cli.bench_engine import Bench, measured
from farm.cli.bench_preview import SIZES, round_trips
from farm.cli.figures import Figure, show
from farm.client import Client
from farm.engine.extractor import Extractor
from farm.engine.optimise import Recipe
from farm.route.calibration import local
from farm.settings import Settings

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


def tiny(name: str = "farm-texture") -> Bench:
    torch.manual_seed(0)
    extractor = Extractor(((4,), (6,))).requires_grad_(False)
    recipe = Recipe(style_taps=("conv1_1", "conv2_1"), content_taps=("conv2_1",))
    ceilings = {torch.float32: 1e9, torch.bfloat16: 2e9}
    return Bench(name, extractor, recipe, torch.bfloat16, ceilings, (32, 64), 1)


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


def test_an_extractor_is_measured_and_kept_for_quotes(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path)
    found = {figure.name: figure for figure in measured(tiny(), chosen)}
    for side in (32, 64):
        for kind in ("bfloat16", "float32"):
            ratios = found[f"farm-texture {side}² {kind}"].ratios
            assert {"times_plain", "of_matmul_ceiling", "of_the_time_in_the_net"} <= set(ratios)
    error = found["farm-texture tiled gradient's error"].value
    assert error is not None
    assert error < 1e-12
    speed = local(chosen).speed("farm-texture")
    assert speed.calibrated
    assert speed.rate_inf == found["farm-texture bfloat16 fitted rate_inf"].value
    assert speed.p_half == found["farm-texture bfloat16 fitted p_half"].value


def test_without_calibration_nothing_is_kept(tmp_path: Path) -> None:
    measured(tiny(), None)
    assert not local(Settings(home=tmp_path)).speed("farm-texture").calibrated


def test_an_extractor_that_is_not_here_is_a_row_that_says_so(
    farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_CPUS", "1")
    assert farm("bench", "engine", "--quick", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["engine"]}
    assert rows["matmul 1024³ float32"]["value"] > 0
    assert rows["vgg19"]["value"] is None
    assert rows["vgg19"]["note"] == "not measured: vgg19 is not on this machine"


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


def test_bench_alone_shows_what_there_is(farm: Farm, capsys: Captured) -> None:
    farm("bench")
    out = capsys.readouterr().out
    assert all(word in out for word in ("engine", "preview", "queue", "all"))
