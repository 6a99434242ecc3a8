"""Prints that go through three scales in a blink, and benches to make them on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from dispatch_cases import KINDS, Bench, opened

from farm.engine.pyramid import PRESETS, Preset


@pytest.fixture(autouse=True)
def short_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """32, 45 and 64 pixels with three to five iterations each."""
    torch.set_num_threads(1)
    monkeypatch.setitem(PRESETS, "draft", Preset(start=32, first=5, decay=0.5, least=3))


@pytest.fixture
def bench(tmp_path: Path, tiny_models: Path) -> Iterator[Bench]:
    with opened("memory", tmp_path, tiny_models) as made:
        yield made


@pytest.fixture(params=KINDS)
def any_bench(request: pytest.FixtureRequest, tmp_path: Path, tiny_models: Path) -> Iterator[Bench]:
    """The bench on each kind of queue."""
    with opened(request.param, tmp_path, tiny_models) as made:
        yield made
