"""``farm models train``: from pictures to nets with cards, with training that takes two steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from farm.catalog import Catalogue
from farm.engine.models import LIGHT, load_preview_net, load_style_net
from farm.engine.train import pool, preview, style
from farm.engine.train.preview import PreviewRecipe

Farm = Callable[..., int]
RECIPE = PreviewRecipe(
    per_generator=1, crops_per_photograph=3, source_side=32, refresh_every=0, learning_rate=1e-3
)
OPTIONS = ("--steps", 2, "--batch", 2, "--side", 32, "--device", "cpu", "--workers", 1)


@pytest.fixture
def nets(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "nets"
    shutil.copytree(tiny_models, folder)
    monkeypatch.setenv("FARM_MODELS", str(folder))
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pool, "MIX", ("clouds", "scene", "scene"))
    monkeypatch.setattr(preview, "recipe_on", lambda _: RECIPE)
    monkeypatch.setattr(style, "style_recipe", lambda _: replace(RECIPE, seed=9))
    return folder


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("mine.png", "astronaut.png"):
        Image.linear_gradient("L").convert("RGB").resize((60, 40)).save(folder / name)
    return folder


def test_a_light_net_is_trained_and_has_a_card(
    nets: Path, photographs: Path, farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("models", "train", "preview", "--size", "light", "--photographs", photographs)
    assert farm(*command, *OPTIONS) == 0
    told = capsys.readouterr().err
    assert "step 2/2" in told
    assert "steps/s" in told
    card = Catalogue(nets).model(LIGHT)
    assert card.training is not None
    assert card.training.command.startswith(
        "farm models train preview --size light --steps 2 --batch 2 --side 32 --seed"
    )
    assert card.training.data[0] == "mine.png"
    assert "astronaut.png" not in card.training.data
    assert "the pictures of farm-preview" in card.description
    load_preview_net(Catalogue(nets), LIGHT, torch.device("cpu"))
    assert not any((tmp_path / "home" / "training").iterdir())


def test_a_style_of_ones_own_becomes_a_net(nets: Path, photographs: Path, farm: Farm) -> None:
    image = photographs / "mine.png"
    command = ("models", "train", "style", image, "-o", "house", "--photographs", photographs)
    assert farm(*command, *OPTIONS) == 0
    card = Catalogue(nets).model("house")
    assert (card.kind, card.licence) == ("style", "own")
    load_style_net(Catalogue(nets), "house", torch.device("cpu"))


@pytest.mark.usefixtures("nets")
def test_what_cannot_be_trained_is_refused(
    photographs: Path, farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("models", "train", "preview", "--size", "huge", "--photographs", photographs) == 2
    assert "'full' and 'light' are" in capsys.readouterr().err
    taken = ("models", "train", "style", photographs / "mine.png", "-o", "farm-preview")
    assert farm(*taken) == 2
    assert "is a model of the farm" in capsys.readouterr().err
