"""Previews by a net of one style."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from dispatch_cases import png

from farm.catalog import Catalogue
from farm.catalog.cards import Training
from farm.dispatch.previews import Previewer
from farm.dispatch.style_preview import is_style_net, style_net_preview
from farm.engine.models import PREVIEW, load_preview_net
from farm.engine.style_net import StyleNet
from farm.engine.train.publish import publish_model
from farm.errors import InvalidInput, NotFound
from farm.imaging.limits import Limits

CPU = torch.device("cpu")


@pytest.fixture
def catalogue(tiny_models: Path, tmp_path: Path) -> Catalogue:
    """With ``house``, made of the tiny any-style net for the style of seed 5."""
    folder = tmp_path / "nets"
    shutil.copytree(tiny_models, folder)
    found = Catalogue(folder)
    net = load_preview_net(found, PREVIEW, CPU)
    code = Previewer(found, Limits(), CPU)._code(png(seed=5))
    built = found.model(PREVIEW).architecture
    publish_model(
        StyleNet.of(net, code, tuple(built["widths"]), built["blocks"]), folder / "house",
        kind="style", version="1", description="", quality={}, licence="own",
        architecture={"widths": built["widths"], "blocks": built["blocks"], "base": PREVIEW},
        training=Training(command="none", seed=7, steps=0, seconds=0, machine="none", data=[]),
    )  # fmt: skip
    return found


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_untrained_it_paints_what_the_any_style_net_does(catalogue: Catalogue, strength: float) -> None:
    found = style_net_preview(png(480, 400), "house", 96, strength, catalogue)
    wanted = Previewer(catalogue, Limits(), CPU).preview(png(480, 400), png(seed=5), 96, strength)
    assert (found.width, found.height) == (96, 80)
    assert abs(found.pixels - wanted.pixels).max() < 0.02  # its weights are float16


def test_only_nets_of_one_style_are_such(catalogue: Catalogue) -> None:
    assert is_style_net("house", catalogue)
    assert not is_style_net(PREVIEW, catalogue)
    with pytest.raises(NotFound, match="nobody"):
        style_net_preview(png(), "nobody", 64, 0.5, catalogue)
    with pytest.raises(InvalidInput, match=r"^content"):
        style_net_preview(b"no picture", "house", 64, 0.5, catalogue)
