"""Every command and option in docs/operations.md is one that ``farm`` has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from farm.cli import main
from farm.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"```\n(.*?)```", PAGE, flags=re.DOTALL) + re.findall(r"`(.*?)`", PAGE))
GROUPS = ("project", "store")


def commands() -> dict[str, set[str]]:
    """Options by command, as the page uses them."""
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^farm ([a-z][^\n#]*)", CODE, flags=re.MULTILINE):
        words = line.split()
        name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
        found.setdefault(name, set()).update(word for word in words if word.startswith("--"))
    return found


@pytest.mark.parametrize(("name", "options"), sorted(commands().items()))
def test_a_command_of_the_page_is_there(
    name: str, options: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert {option for option in options if option not in text} == set()


def test_the_page_is_about_all_that_operators_do() -> None:
    wanted = (
        "up down status doctor projects nodes readmit backup restore move-database show cancel retry"
    )
    assert set(wanted.split()) <= set(commands())


def test_its_settings_are_settings() -> None:
    known = {f"FARM_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"FARM_[A-Z_]+", PAGE)) <= known
