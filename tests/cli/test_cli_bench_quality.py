"""``farm bench preview --quality``: every figure, the sheet, and the card that keeps them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from farm.catalog import Catalogue, procedural
from farm.cli import bench_quality
from farm.cli.bench_quality import Sample
from farm.engine.models import PREVIEW
from farm.engine.train import split

Farm = Callable[..., int]
SMALL = Sample(scenes=1, styles=2, iterations=4, side=48)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_quality, "SAMPLE", SMALL)
    monkeypatch.setattr(procedural, "STYLE_GENERATORS", ("maze", "clouds"))


@pytest.fixture
def nets(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "nets"
    shutil.copytree(tiny_models, folder)
    monkeypatch.setenv("FARM_MODELS", str(folder))
    return folder


def test_quality_is_measured_shown_and_kept(
    nets: Path, farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    photograph = tmp_path / "photographs"
    photograph.mkdir()
    Image.new("RGB", (60, 40), "green").save(photograph / split.HELD_OUT_PHOTOGRAPHS[0])
    before = Catalogue(nets).model(PREVIEW)
    assert farm(
        "bench", "preview", "--quality", "--sheet", sheet, "--photographs", photograph, "--keep",
        "--json",
    ) == 0  # fmt: skip
    found = {figure["name"]: figure for figure in json.loads(capsys.readouterr().out)["quality"]}
    closed = found["farm-preview float32: way closed"]
    assert "4 held-out pairs" in closed["note"]  # a scene and a photograph, each in two styles
    assert found["farm-preview float32: net alone 256²"]["value"] > 0
    assert -1 <= found["farm-preview float32: rank correlation with prints"]["value"] <= 1
    card = Catalogue(nets).model(PREVIEW)
    assert card.quality["closed_median"] == pytest.approx(closed["value"], abs=1e-4)
    assert card.quality["trials"] == 4
    assert (card.sha256, card.created) == (before.sha256, before.created)
    with Image.open(sheet) as picture:
        assert picture.width == 1800
        assert picture.height > 4 * 200


def test_without_keep_the_card_stays(nets: Path, farm: Farm, tmp_path: Path) -> None:
    before = (nets / PREVIEW / "card.yaml").read_bytes()
    assert farm("bench", "preview", "--quality", "--photographs", tmp_path) == 0
    assert (nets / PREVIEW / "card.yaml").read_bytes() == before
