"""``farm models``, ``farm styles`` and ``farm doctor`` on this machine's own folders."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from farm.catalog import Catalogue, ModelCard, digest, write_card
from farm.cli.checks import CHECKS, clocks, home, ports, run
from farm.clock import ManualClock, SystemClock
from farm.errors import Unavailable
from farm.settings import Settings

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of models that the commands use, with one model in it."""
    folder = tmp_path / "models"
    (folder / "tiny").mkdir(parents=True)
    weights = folder / "tiny" / "weights.safetensors"
    weights.write_bytes(b"weights")
    card = ModelCard.model_validate(
        {"name": "tiny", "version": "1", "kind": "extractor", "sha256": digest(weights), "bytes": 7,
         "licence": "Apache-2.0", "created": "2026-05-04T12:00:00Z"}
    )  # fmt: skip
    write_card(folder / "tiny", card)
    return folder


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


def test_doctor_reports_every_check(models: Path, farm: Farm, capsys: Captured) -> None:
    assert farm("doctor", "--json") in (0, 1)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(CHECKS)
    for name in ("python", "farm extra", "ray", "home", "clock", "database", "store", "models"):
        assert rows[name]["ok"], rows[name]


def test_doctor_fails_with_a_remedy(farm: Farm, capsys: Captured) -> None:
    assert farm("doctor") == 1
    out = capsys.readouterr().out
    assert "fail" in out
    assert "set FARM_MODELS" in out


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="set FARM_HOME"):
        home(Settings(home=tmp_path / "file" / "home"), SystemClock())


def test_a_clock_that_is_wrong(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(Unavailable, match="before 2026"):
        clocks(settings, ManualClock(0))
    with pytest.raises(Unavailable, match="off this machine"):
        clocks(settings, ManualClock(4_000_000_000))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} on .* set FARM_PORT"):
            ports(Settings(home=tmp_path, url="http://127.0.0.1:9", port=port), SystemClock())


def test_a_check_that_breaks_does_not_hide_the_others(tmp_path: Path) -> None:
    def missing(settings: Settings, clock: object) -> str:
        raise ModuleNotFoundError("No module", name="torch")

    def broken(settings: Settings, clock: object) -> str:
        raise ValueError("odd")

    checks = {"a": missing, "b": broken, "c": home}
    rows = run(checks, Settings(home=tmp_path), SystemClock())
    assert [row.ok for row in rows] == [False, False, True]
    assert "style-farm[farm]" in rows[0].remedy
    assert rows[1].detail == "ValueError: odd"
