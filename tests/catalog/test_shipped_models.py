"""The models and styles in the repository are what their cards say, and may be given away."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.catalog import Catalogue, models_folder
from farm.catalog.procedural import STYLE_GENERATORS
from farm.catalog.rights import is_licence
from farm.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue(models_folder(Settings(models=None), REPOSITORY / "farm"))
MODELS = {card.name: card for card in CATALOGUE.models()}
STYLES = {card.name: card for card in CATALOGUE.styles()}


def test_the_repository_ships_what_it_promises() -> None:
    assert CATALOGUE.folder == REPOSITORY / "models"
    assert {"farm-texture", "farm-preview"} <= MODELS.keys()
    assert len(STYLES) >= 5


def test_every_file_is_what_its_card_says() -> None:
    findings = CATALOGUE.verify()
    assert len(findings) == len(MODELS) + len(STYLES)
    assert [finding.problem for finding in findings if not finding.ok] == []


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_small_enough_to_ship(name: str) -> None:
    card = MODELS[name]
    size = CATALOGUE.weights(name).stat().st_size
    assert 0 < size < 5_000_000
    assert size == card.bytes


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_how_it_was_made(name: str) -> None:
    card = MODELS[name]
    assert is_licence(card.licence)
    assert card.description
    assert card.architecture
    assert card.training is not None, "shipped weights are the project's own"
    assert card.training.command.startswith("farm models train ")
    assert card.training.seed > 0
    assert card.training.steps > 0
    assert card.training.seconds > 0
    assert card.training.data
    assert all(source.strip() for source in card.training.data)
    assert card.quality


@pytest.mark.parametrize("name", STYLES)
def test_a_style_may_be_used_and_can_be_made_again(name: str) -> None:
    card = STYLES[name]
    assert is_licence(card.licence)
    assert card.source.strip()
    assert card.recipe is not None
    assert card.recipe["generator"] in STYLE_GENERATORS
    assert isinstance(card.recipe["seed"], int)


def test_a_preview_net_reads_the_taps_of_its_extractor() -> None:
    preview = MODELS["farm-preview"].architecture
    texture = MODELS[str(preview["extractor"])].architecture
    assert preview["tap_widths"] == [widths[1] for widths in texture["blocks"]]
