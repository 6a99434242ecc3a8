"""Settings that follow from others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a farm that runs on another port than the usual one."""
    for name in ("FARM_URL", "FARM_PORT"):
        monkeypatch.delenv(name, raising=False)
    facts = {"url": "http://127.0.0.1:18700", "pid": 1}
    (tmp_path / "farm.json").write_text(json.dumps(facts), encoding="utf-8")
    return tmp_path


def test_a_farm_that_runs_is_found_on_whatever_port_it_was_started(home: Path) -> None:
    assert Settings(home=home).farm_url == "http://127.0.0.1:18700"


def test_what_is_set_goes_before_what_runs(home: Path) -> None:
    assert Settings(home=home, port=8800).farm_url == "http://127.0.0.1:8800"
    assert Settings(home=home, url="http://farm.example/").farm_url == "http://farm.example"


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', "no json"])
def test_a_file_that_says_nothing_is_passed_over(home: Path, text: str) -> None:
    (home / "farm.json").write_text(text, encoding="utf-8")
    assert Settings(home=home).farm_url == "http://127.0.0.1:8700"
