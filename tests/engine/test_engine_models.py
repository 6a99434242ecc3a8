"""Weights that fit their card, and the precision a machine is fastest in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
import torch
from engine_cases import tiny_net, waves
from safetensors.torch import save_file
from torch import Tensor

from farm.catalog import Catalogue, digest, write_card
from farm.catalog.cards import ModelCard
from farm.engine import models
from farm.engine.extractor import Extractor
from farm.engine.models import VGG19, fill, load_extractor, load_preview_net, released
from farm.engine.precision import NAMES, PRECISIONS, available, fastest_forward, name_of, precision
from farm.engine.preview_net import PreviewNet
from farm.errors import InvalidInput, NotFound, Unavailable

CPU = torch.device("cpu")
BLOCKS = ((4,), (6,))


def write_model(
    root: Path,
    name: str,
    kind: Literal["extractor", "preview"],
    tensors: dict[str, Tensor],
    architecture: dict[str, object],
) -> ModelCard:
    home = root / name
    home.mkdir(parents=True)
    weights = home / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, weights)
    card = ModelCard(
        name=name,
        version="1",
        kind=kind,
        sha256=digest(weights),
        bytes=weights.stat().st_size,
        licence="Apache-2.0",
        architecture=architecture,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    write_card(home, card)
    return card


def test_an_extractor_comes_back_from_its_card(tmp_path: Path) -> None:
    kept = tiny_net()
    write_model(tmp_path, "small", "extractor", kept.state_dict(), {"blocks": [[4], [6]]})
    loaded = load_extractor(Catalogue(tmp_path), "small", CPU)
    picture = waves(20, 24)
    torch.testing.assert_close(
        loaded(picture, ["conv2_1"]), kept(picture, ["conv2_1"]), atol=1e-5, rtol=1e-4
    )
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_float16_weights_are_read_as_float32(tmp_path: Path) -> None:
    halves = {name: value.half() for name, value in tiny_net().state_dict().items()}
    write_model(tmp_path, "small", "extractor", halves, {"blocks": [[4], [6]]})
    loaded = load_extractor(Catalogue(tmp_path), "small", CPU)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_a_preview_net_comes_back_from_its_card(tmp_path: Path) -> None:
    kept = PreviewNet((3, 4, 5, 6), widths=(4, 6, 8), blocks=2, sketch=3)
    architecture: dict[str, object] = {
        "tap_widths": [3, 4, 5, 6], "widths": [4, 6, 8], "blocks": 2, "sketch": 3,
    }  # fmt: skip
    write_model(tmp_path, "small", "preview", kept.state_dict(), architecture)
    loaded = load_preview_net(Catalogue(tmp_path), "small", CPU)
    for name, value in kept.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def missing(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name != "mean"}


def unknown(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**tensors, "extra": torch.zeros(1)}


def narrower(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**tensors, "convolutions.conv1_1.weight": torch.zeros(4, 3, 1, 1)}


@pytest.mark.parametrize(
    ("spoil", "named"), [(missing, "mean"), (unknown, "extra"), (narrower, "conv1_1.weight")]
)
def test_weights_of_another_shape_are_refused_in_a_sentence(
    tmp_path: Path, spoil: Callable[[dict[str, Tensor]], dict[str, Tensor]], named: str
) -> None:
    write_model(tmp_path, "small", "extractor", spoil(tiny_net().state_dict()), {"blocks": [[4], [6]]})
    with pytest.raises(Unavailable) as info:
        load_extractor(Catalogue(tmp_path), "small", CPU)
    message = str(info.value)
    assert message.startswith("models/small: the weights do not fit the card (")
    assert message.endswith("run 'farm models verify'.")
    assert named in message
    assert "\n" not in message


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    card = write_model(tmp_path, "small", "extractor", tiny_net().state_dict(), {"blocks": [[4], [6]]})
    junk = tmp_path / "junk"
    junk.write_bytes(b"no weights at all")
    with pytest.raises(Unavailable, match="models/small: the weights do not fit the card"):
        fill(Extractor(BLOCKS), junk, card)


def test_vgg19_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="run 'farm models pull vgg19' once") as info:
        load_extractor(Catalogue(tmp_path), VGG19, CPU)
    assert info.value.field == "quality.extractor"


def test_another_unknown_model_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nonesuch"):
        load_extractor(Catalogue(tmp_path), "nonesuch", CPU)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_asked_for_is_not_measured(name: str) -> None:
    found = precision(name, tiny_net(), CPU)
    assert found is PRECISIONS[name]
    assert name_of(found.dtype) == name


@pytest.mark.parametrize("name", ["float16", "tfloat32"])
def test_a_precision_that_processors_lack_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"engine.precision: '{name}' needs a GPU; use bfloat16"):
        precision(name, tiny_net(), CPU)


def test_auto_chooses_by_measuring() -> None:
    assert precision("auto", tiny_net(), CPU).name in ("float32", "bfloat16")


def test_auto_leaves_out_what_the_processor_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.engine.precision.processor_has_bfloat16", lambda: False)
    assert precision("auto", tiny_net(), CPU) is PRECISIONS["float32"]
    assert precision("bfloat16", tiny_net(), CPU) is PRECISIONS["bfloat16"], "it can, only slower"


@pytest.mark.parametrize(("has", "names"), [(True, ["float32", "bfloat16"]), (False, ["float32"])])
def test_what_a_device_was_built_for(
    has: bool, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.engine.precision.processor_has_bfloat16", lambda: has)
    assert [kind.name for kind in available(CPU)] == names
    assert [kind.name for kind in available(torch.device("cuda"))] == list(PRECISIONS)


@pytest.mark.parametrize("able", [True, False])
@pytest.mark.parametrize(
    ("delta", "good"), [(None, False), (-0.001, True), (0.01, True), (-0.2, False)]
)
def test_fewer_digits_are_released_by_what_the_card_says(
    able: bool, delta: float | None, good: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(models, "processor_has_bfloat16", lambda: able)
    said = {} if delta is None else {"bfloat16_closed_delta": delta}
    net = write_model(tmp_path, "net", "preview", {}, {})
    card = net.model_copy(update={"quality": said})
    assert released(card, CPU) == [torch.float32, *([torch.bfloat16] if able and good else [])]
    assert len(released(card, torch.device("cuda"))) == 1 + good


def test_the_fastest_forward_is_found_by_running_it() -> None:
    tried: list[torch.dtype] = []

    def forward(picture: Tensor, _: None, dtype: torch.dtype) -> Tensor:
        tried.append(dtype)
        rounds = 1 if dtype == torch.bfloat16 else 40
        return torch.stack([picture.exp() for _ in range(rounds)])

    assert fastest_forward(forward, CPU) == torch.bfloat16
    assert set(tried) == set(NAMES.values())
