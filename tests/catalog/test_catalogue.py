"""A catalogue hands out only what its cards describe."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.catalog import (
    Catalogue,
    ModelCard,
    StyleCard,
    Training,
    digest,
    models_folder,
    read_card,
    write_card,
)
from farm.errors import NotFound, Unavailable
from farm.settings import Settings

CREATED = datetime(2026, 5, 4, 12, tzinfo=UTC)


def add_model(folder: Path, name: str = "farm-texture", content: bytes = b"weights") -> ModelCard:
    home = folder / name
    home.mkdir(parents=True)
    weights = home / "weights.safetensors"
    weights.write_bytes(content)
    training = Training(
        command="farm models train texture",
        seed=1,
        steps=10,
        seconds=2.5,
        machine="2 cores",
        data=["a"],
    )
    card = ModelCard(
        name=name, version="1", kind="extractor", sha256=digest(weights), bytes=len(content),
        licence="Apache-2.0", architecture={"blocks": [[32, 32], [64]]}, training=training,
        quality={"accuracy": 0.5}, created=CREATED,
    )  # fmt: skip
    write_card(home, card)
    return card


def add_style(folder: Path, name: str = "vortex-strokes", licence: str = "CC0-1.0") -> StyleCard:
    home = folder / "styles" / name
    home.mkdir(parents=True)
    picture = home / "style.png"
    picture.write_bytes(b"picture of " + name.encode())
    card = StyleCard(
        name=name, title="Strokes", sha256=digest(picture), licence=licence, source="Style Farm",
        recipe={"generator": "strokes", "seed": 3}, tags=("oil",),
    )  # fmt: skip
    write_card(home, card)
    return card


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    model, style = add_model(tmp_path), add_style(tmp_path)
    assert read_card(tmp_path / "farm-texture", ModelCard) == model
    assert read_card(tmp_path / "styles" / "vortex-strokes", StyleCard) == style


def test_models_and_styles_are_listed_by_name(tmp_path: Path) -> None:
    second, first = add_model(tmp_path, "b"), add_model(tmp_path, "a")
    style = add_style(tmp_path)
    catalogue = Catalogue(tmp_path)
    assert catalogue.models() == [first, second]
    assert catalogue.styles() == [style]
    assert catalogue.weights("a").read_bytes() == b"weights"
    assert catalogue.style_path("vortex-strokes").name == "style.png"
    assert all(finding.ok for finding in catalogue.verify())


def test_an_empty_folder_has_nothing_and_says_so(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "none")
    assert catalogue.models() == []
    assert catalogue.styles() == []
    with pytest.raises(NotFound, match="holds none; set FARM_MODELS"):
        catalogue.style("x")


def test_a_misspelt_name_gets_a_suggestion(tmp_path: Path) -> None:
    add_model(tmp_path)
    add_style(tmp_path)
    catalogue = Catalogue(tmp_path)
    with pytest.raises(NotFound, match="did you mean 'farm-texture'"):
        catalogue.model("farm-textur")
    with pytest.raises(NotFound, match="did you mean 'vortex-strokes'"):
        catalogue.style_path("vortex-stroke")
    with pytest.raises(NotFound, match="farm models pull vgg19"):
        catalogue.weights("vgg19")


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    add_model(tmp_path / "outside")
    (tmp_path / "inside").mkdir()
    with pytest.raises(NotFound):
        Catalogue(tmp_path / "inside").model("../outside/farm-texture")


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_weights_are_not_handed_out(tmp_path: Path, damage: str) -> None:
    add_model(tmp_path)
    weights = tmp_path / "farm-texture" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    if damage == "flip":
        content[3] ^= 1
        weights.write_bytes(content)
    elif damage == "cut":
        weights.write_bytes(content[:-1])
    else:
        weights.unlink()
    with pytest.raises(Unavailable, match="farm models verify"):
        Catalogue(tmp_path).weights("farm-texture")
    finding = Catalogue(tmp_path).verify()[0]
    assert not finding.ok
    assert str(weights) in finding.problem


def test_a_damaged_style_is_not_handed_out(tmp_path: Path) -> None:
    add_style(tmp_path)
    (tmp_path / "styles" / "vortex-strokes" / "style.png").write_bytes(b"another")
    with pytest.raises(Unavailable, match="farm models verify"):
        Catalogue(tmp_path).style_path("vortex-strokes")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("name: [", "not YAML at line", id="broken yaml"),
        pytest.param("name: farm-texture", "field required", id="key missing"),
        pytest.param("- a", "card: ", id="not a mapping"),
        pytest.param(None, "missing", id="no card"),
    ],
)
def test_a_bad_card_is_one_sentence(tmp_path: Path, text: str | None, expected: str) -> None:
    add_model(tmp_path)
    path = tmp_path / "farm-texture" / "card.yaml"
    path.write_text(text) if text is not None else path.unlink()
    with pytest.raises(Unavailable, match=expected) as caught:
        read_card(path.parent, ModelCard)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message


def test_a_card_must_bear_the_name_of_its_folder(tmp_path: Path) -> None:
    add_model(tmp_path)
    (tmp_path / "farm-texture").rename(tmp_path / "renamed")
    with pytest.raises(Unavailable, match="not the name of its folder"):
        Catalogue(tmp_path).model("renamed")


def test_a_card_names_a_file_in_its_own_folder(tmp_path: Path) -> None:
    card = add_model(tmp_path)
    path = tmp_path / "farm-texture" / "card.yaml"
    path.write_text(path.read_text().replace(card.file, "../secrets"))
    with pytest.raises(Unavailable, match="file: "):
        Catalogue(tmp_path).weights("farm-texture")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    card = add_model(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="set FARM_MODELS"):
        write_card(tmp_path / "file" / "farm-texture", card)


def test_the_folder_is_set_or_in_the_checkout_or_in_the_wheel(tmp_path: Path) -> None:
    package = tmp_path / "farm"
    assert models_folder(Settings(models=tmp_path / "set"), package) == tmp_path / "set"
    assert models_folder(Settings(), package) == package / "_models"
    (tmp_path / "models").mkdir()
    assert models_folder(Settings(), package) == package / "_models"
    (tmp_path / "pyproject.toml").write_text("")
    assert models_folder(Settings(), package) == tmp_path / "models"
