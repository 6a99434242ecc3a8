"""What several rooms' tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for as ``make chaos`` does."""
    if any(name in config.option.markexpr for name in ("chaos", "long")):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the tables that tests of chaos and of the queue print, though they pass."""
    for report in terminalreporter.stats.get("passed", []):
        if report.nodeid.startswith(("tests/chaos", "tests/queue")) and report.capstdout:
            terminalreporter.section(report.nodeid)
            terminalreporter.write(report.capstdout)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a random loss network and preview net that are small enough for tests."""
    import torch

    from farm.catalog.cards import Training
    from farm.engine.extractor import Extractor
    from farm.engine.preview_net import PreviewNet
    from farm.engine.train.publish import publish_model

    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("models")
    extractor = Extractor(((4, 4), (8, 8), (8, 8), (8, 8)))
    for convolution in extractor.convolutions.values():
        assert isinstance(convolution, torch.nn.Conv2d)
        torch.nn.init.kaiming_normal_(convolution.weight)
    training = Training(command="none", seed=7, steps=0, seconds=0, machine="none", data=[])
    publish_model(
        extractor, folder / "farm-texture", kind="extractor", version="0", description="random",
        architecture={"blocks": [list(widths) for widths in extractor.blocks]}, training=training,
        quality={},
    )  # fmt: skip
    widths, taps = (8, 8, 8), [4, 8, 8, 8]
    publish_model(
        PreviewNet(taps, widths, blocks=1, sketch=2), folder / "farm-preview", kind="preview",
        version="0", description="random", training=training, quality={},
        architecture={
            "extractor": "farm-texture", "tap_widths": taps, "widths": list(widths), "blocks": 1,
            "sketch": 2,
        },
    )  # fmt: skip
    return folder
