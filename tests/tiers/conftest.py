"""One farm for all tests here: starting Ray takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiers_cases import LiveFarm, live


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[LiveFarm]:
    with live(tmp_path_factory.mktemp("home"), tiny_models) as made:
        yield made
