"""``farm models`` and ``farm styles`` on this machine's own folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from farm.catalog import Catalogue

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "own.jpg"
    Image.new("RGB", (40, 30), "green").save(path)
    return path


def add(farm: Farm, name: str, picture: Path, licence: str = "CC0-1.0") -> int:
    return farm("styles", "add", name, picture, "--licence", licence, "--source", "Jane Doe, 2024")


def test_models_are_listed(models: Path, farm: Farm, capsys: Captured) -> None:
    assert farm("models", "list") == 0
    assert "tiny" in capsys.readouterr().out
    assert farm("models", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["licence"] == "Apache-2.0"


def test_verify_finds_a_flipped_byte(models: Path, farm: Farm, capsys: Captured) -> None:
    assert farm("models", "verify") == 0
    assert capsys.readouterr().out == "model tiny: ok\n"
    (models / "tiny" / "weights.safetensors").write_bytes(b"weightz")
    assert farm("models", "verify", "--json") == 1
    finding = json.loads(capsys.readouterr().out)[0]
    assert not finding["ok"]
    assert "not the file its card describes" in finding["problem"]


def test_nothing_to_verify_is_a_failure(farm: Farm, capsys: Captured) -> None:
    assert farm("models", "verify") == 1
    assert "FARM_MODELS" in capsys.readouterr().err


def test_an_added_style_is_in_the_catalogue(
    models: Path, picture: Path, farm: Farm, capsys: Captured
) -> None:
    assert add(farm, "green", picture) == 0
    path = Catalogue(models).style_path("green")
    assert path.name == "style.jpg"
    assert path.read_bytes() == picture.read_bytes()
    capsys.readouterr()
    assert farm("styles", "list", "--json") == 0
    assert [card["name"] for card in json.loads(capsys.readouterr().out)] == ["green"]
    assert farm("styles", "show", "green") == 0
    out = capsys.readouterr().out
    assert "Jane Doe, 2024" in out
    assert str(path) in out


def test_a_style_is_not_replaced(models: Path, picture: Path, farm: Farm, capsys: Captured) -> None:
    assert add(farm, "green", picture) == 0
    assert add(farm, "green", picture) == 2
    assert "'green' already" in capsys.readouterr().err


def test_a_style_needs_a_licence_a_name_and_a_picture(
    models: Path, picture: Path, farm: Farm, capsys: Captured, tmp_path: Path
) -> None:
    half = tmp_path / "half.jpg"
    half.write_bytes(picture.read_bytes()[:-200])
    for arguments, code, expected in (
        (("green", picture, "unknown"), 5, "--licence CC0-1.0"),
        (("../green", picture), 2, "'../green' is not valid"),
        (("green", tmp_path / "none.png"), 2, "picture: "),
        (("green", half), 2, "picture: "),
    ):
        assert add(farm, *arguments) == code
        err = capsys.readouterr().err
        assert expected in err
        assert err.count("\n") == 1
    assert Catalogue(models).styles() == []


def test_an_unknown_style_is_4(farm: Farm, capsys: Captured) -> None:
    assert farm("styles", "show", "nothing") == 4
    assert "FARM_MODELS" in capsys.readouterr().err
