"""``farm simulate``: traces in, figures and a picture out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from farm.cli import main

SMALL = ["--generate", "diurnal", "--jobs", "150", "--days", "0.2"]


def test_a_saved_trace_gives_what_a_generated_one_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.jsonl"
    assert main(["simulate", *SMALL, "--save", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    policies = ["--policy", "farm", "--policy", "first-fit", "--json"]
    found = []
    for source in (SMALL, [str(path)]):
        assert main(["simulate", *source, *policies]) == 0
        found.append(json.loads(capsys.readouterr().out))
        for one in found[-1]["policies"]:
            assert one.pop("wall_seconds") > 0
    assert found[0] == found[1]
    assert [one["policy"] for one in found[0]["policies"]] == ["farm", "first-fit"]
    assert all(one["done"] + one["parked"] + one["refused"] == 150 for one in found[0]["policies"])


def test_a_table_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "out" / "simulated.png"
    assert main(["simulate", *SMALL, "--plot", str(picture)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[:2] == ["POLICY", "COST"]
    assert [line.split()[0] for line in shown[1:]] == [
        "farm", "cheapest-per-hour", "cheapest-per-hour-in-time", "first-fit", "fastest-first"
    ]  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 30_000


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give either the file of a trace or --generate"),
        (["nowhere.jsonl"], 4, "no such trace"),
        ([*SMALL, "--policy", "cheapest-per-huor"], 2, "did you mean 'cheapest-per-hour'"),
        ([*SMALL, "--plot", "curve.txt"], 2, "'curve.txt' is no picture"),
        ([*SMALL, "--without", "T44"], 2, "did you mean 'T4'"),
        ([*SMALL, "--accelerators", "7"], 2, "too few"),
        (["--generate", "storm"], 2, "no trace 'storm'"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == code
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_a_picture_needs_matplotlib(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["simulate", *SMALL, "--plot", "a.png"]) == 1
    assert "pip install 'style-farm[dev]'" in capsys.readouterr().err.replace("\n", " ")
