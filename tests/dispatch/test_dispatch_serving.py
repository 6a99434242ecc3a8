"""The nets of a process that answers previews: new ones, damaged ones, ones that make no numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from dispatch_cases import png

from farm.catalog import Catalogue
from farm.catalog.cards import ModelCard as Card
from farm.catalog.cards import digest, read_card, write_card
from farm.catalog.identity import watched
from farm.dispatch.previews import Previewer
from farm.dispatch.serving import Painted, Request, Serving
from farm.engine.models import LIGHT
from farm.errors import BadModel, Unstable
from farm.imaging.decode import inspect
from farm.imaging.limits import Limits
from farm.observe import PrometheusMeter

CPU = torch.device("cpu")
REQUEST = Request(png(), png(seed=5), 64, 0.5)
FULL = "farm-preview"


@pytest.fixture
def models(tmp_path: Path, tiny_models: Path) -> Path:
    """A copy that a test may damage; the light net is the full one by another name."""
    folder = tmp_path / "models"
    shutil.copytree(tiny_models, folder)
    shutil.copytree(folder / FULL, folder / LIGHT)
    card = folder / LIGHT / "card.yaml"
    card.write_text(card.read_text().replace(f"name: {FULL}", f"name: {LIGHT}"))
    return folder


def publish(folder: Path, name: str, changes: dict[str, object]) -> None:
    card = read_card(folder / name, Card)
    write_card(folder / name, card.model_copy(update=changes))


@pytest.fixture
def meter() -> PrometheusMeter:
    return PrometheusMeter()


@pytest.fixture
def serving(models: Path, meter: PrometheusMeter) -> Serving:
    catalogue = Catalogue(models)

    def load(name: str) -> Previewer:
        return Previewer(catalogue, Limits(), CPU, torch.float32, model=name)

    return Serving(catalogue, load, meter)


def painted(serving: Serving, request: Request = REQUEST) -> Painted:
    (made,) = serving.paint([serving.prepare(request)])
    assert isinstance(made, Painted)
    return made


def spoil(serving: Serving, name: str) -> None:
    """Weights that make no numbers."""
    net = serving._full if name == FULL else serving._light
    assert net is not None
    with torch.inference_mode():
        for parameter in net.previewer._net.parameters():
            parameter.fill_(float("nan"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def counted(meter: PrometheusMeter, line: str) -> bool:
    return f"{line} 1.0" in meter.exposition().decode().splitlines()


def test_a_request_goes_to_the_net_it_asks_for(serving: Serving) -> None:
    light = Request(REQUEST.content, REQUEST.style, 64, 0.5, light=True)
    ready = [serving.prepare(one) for one in (REQUEST, light, REQUEST)]
    made = serving.paint(ready)
    names = [one.net.name for one in made if isinstance(one, Painted)]
    assert names == [FULL, LIGHT, FULL]
    assert isinstance(made[1], Painted)
    answer = serving.encode(made[1], ready[1], wait=0.25)
    assert (answer.light, answer.instead) == (True, "")
    assert inspect(answer.result.picture).width == 64
    assert set(answer.result.stages) == {"decode", "wait", "model", "encode"}
    assert answer.result.stages["wait"] == 0.25


def test_a_picture_that_is_not_a_number_is_made_by_the_light_net(
    serving: Serving, meter: PrometheusMeter, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(serving, FULL)
    made = painted(serving)
    assert torch.isfinite(made.pixels).all()
    assert (made.net.name, made.instead) == (LIGHT, "the full net made no picture of this")
    assert "its values are not numbers" in caplog.text
    assert counted(meter, 'farm_preview_unsound_total{net="farm-preview"}')


def test_where_no_net_makes_numbers_it_is_said_and_others_of_the_batch_are_answered(
    serving: Serving,
) -> None:
    spoil(serving, LIGHT)
    light = Request(REQUEST.content, REQUEST.style, 64, 0.5, light=True)
    good, bad = serving.paint([serving.prepare(REQUEST), serving.prepare(light)])
    assert isinstance(good, Painted)
    assert isinstance(bad, Unstable)
    assert "made no picture of this; try another size" in bad.message


def test_new_weights_are_taken(serving: Serving, models: Path, meter: PrometheusMeter) -> None:
    before = painted(serving)
    current = watched(Catalogue(models), FULL)
    assert current() == before.net.identity
    replace_weights(models)
    serving.renew()
    after = painted(serving)
    assert after.net.identity == current() != before.net.identity
    assert (after.pixels - before.pixels).abs().max() > 0
    assert counted(meter, 'farm_preview_models_total{outcome="taken"}')


def replace_weights(models: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = models / FULL / "weights.safetensors"
    tensors = {name: value + torch.full_like(value, 0.05) for name, value in load_file(path).items()}
    save_file(tensors, path)
    publish(models, FULL, {"sha256": digest(path), "bytes": path.stat().st_size})


def test_one_flipped_byte_is_refused_and_the_old_net_stays(
    serving: Serving, models: Path, meter: PrometheusMeter, caplog: pytest.LogCaptureFixture
) -> None:
    before = painted(serving)
    replace_weights(models)
    flip(models / FULL / "weights.safetensors")
    serving.renew()
    serving.renew()
    after = painted(serving)
    assert after.net is before.net
    torch.testing.assert_close(after.pixels, before.pixels, rtol=0, atol=0)
    assert caplog.text.count("the ones before stay") == 1, "told once"
    assert counted(meter, 'farm_preview_models_total{outcome="refused"}')
    flip(models / FULL / "weights.safetensors")
    serving.renew()
    assert painted(serving).net is not before.net, "restored, it is taken"


def test_a_process_does_not_begin_with_a_damaged_net(models: Path, meter: PrometheusMeter) -> None:
    catalogue = Catalogue(models)
    flip(models / FULL / "weights.safetensors")
    with pytest.raises(BadModel, match="not the file its card describes"):
        Serving(catalogue, lambda name: Previewer(catalogue, Limits(), CPU, model=name), meter)


def test_a_damaged_light_net_is_done_without(models: Path, meter: PrometheusMeter) -> None:
    catalogue = Catalogue(models)
    flip(models / LIGHT / "weights.safetensors")
    serving = Serving(
        catalogue, lambda name: Previewer(catalogue, Limits(), CPU, torch.float32, model=name), meter
    )
    light = Request(REQUEST.content, REQUEST.style, 64, 0.5, light=True)
    assert painted(serving, light).net.name == FULL


def test_warming_up_finds_what_the_light_net_costs(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.dispatch.serving.WARM_SIDES", (64,))
    serving.warm()
    assert serving.light_share is not None
    assert serving.light_share > 0
