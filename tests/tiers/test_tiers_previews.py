"""Previews through a whole farm on a real Ray: kept, in parts, in company, and their process killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tiers_cases import LiveFarm, live, picture, soon

from farm import Client
from farm.client import Preview

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(240),
    # Ray Serve's own configuration, written for an earlier pydantic.
    pytest.mark.filterwarnings(
        "ignore:Using extra keyword arguments on `Field`:pydantic.PydanticDeprecatedSince20"
    ),
]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[LiveFarm]:
    """One farm for all tests here: starting Ray takes seconds."""
    with live(tmp_path_factory.mktemp("home"), tiny_models) as made:
        yield made


def backlog(farm: LiveFarm) -> float:
    lines = httpx.get(f"{farm.client.url}/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("farm_preview_backlog_seconds ")]
    return float(found[0].split()[-1]) if found else 0.0


def test_a_preview_is_made_once_and_says_what_it_took(farm: LiveFarm) -> None:
    made = farm.client.preview(picture(), picture(seed=5), size=96)
    assert set(made.stages) == {"decode", "wait", "model", "encode"}
    again = farm.client.preview(picture(), picture(seed=5), size=96)
    assert (made.kept, again.kept, again.data) == ("", "memory", made.data)


def test_a_tiny_version_comes_first(farm: LiveFarm) -> None:
    early: list[Preview] = []
    made = farm.client.preview(picture(), picture(seed=6), size=256, first=early.append)
    assert [(one.fidelity, one.width) for one in early] == [("tiny", 96)]
    assert made.width == 256


def test_several_styles_and_sizes_go_together(farm: LiveFarm) -> None:
    found = farm.client.previews(picture(), [picture(seed=seed) for seed in range(12)], size=128)
    assert [one.width for one in found] == [128] * 12
    assert len({one.data for one in found}) == 12


def test_a_picture_larger_than_a_batch_goes_through(farm: LiveFarm) -> None:
    assert farm.client.preview(picture(), picture(seed=5), size=2048).width == 2048


def test_a_killed_process_loses_nobody_an_answer(farm: LiveFarm) -> None:
    (pid,) = (each.pid for each in farm.client.farm().processes if each.role == "previews")
    with Client(farm.client.url, timeout=200) as client, ThreadPoolExecutor(4) as people:
        os.kill(pid, signal.SIGSTOP)
        asked = [
            people.submit(client.preview, picture(), picture(seed=5), size=64, strength=strength)
            for strength in (0.1, 0.2, 0.3, 0.4)
        ]
        try:
            assert soon(lambda: backlog(farm) > 0)
        finally:
            os.kill(pid, signal.SIGKILL)
        assert [one.result().width for one in asked] == [64] * 4
