"""Training feed-forward nets: a seed decides, interruptions change nothing, some stays unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_cases import waves
from torch import Tensor, nn

from farm.catalog.cards import ModelCard, read_card
from farm.catalog.catalogue import Catalogue
from farm.engine.extractor import Extractor
from farm.engine.models import load_preview_net, load_style_net
from farm.engine.preview_net import SHAPES, PreviewNet, Shape, net_for
from farm.engine.style_code import encode_style
from farm.engine.style_net import StyleNet
from farm.engine.train import course as courses
from farm.engine.train import pool as pools
from farm.engine.train.course import Course, Finished, Losses, Progress, run
from farm.engine.train.pool import Pool, PoolPlan
from farm.engine.train.preview import Material, PreviewRecipe, train
from farm.engine.train.release import publish_preview, publish_style
from farm.engine.train.split import HELD_OUT_SEEDS, held_out_scenes, held_out_styles, training_recipe
from farm.engine.train.style import Lessons, train_style
from farm.errors import InvalidInput

CPU = torch.device("cpu")
TINY = Shape((4, 6, 8), 1, 2)
RECIPE = PreviewRecipe(
    size="tiny", steps=3, batch=2, side=32, per_generator=1, crops_per_photograph=3, source_side=32,
    refresh_every=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that learns in a blink, from generators that take none."""
    monkeypatch.setitem(SHAPES, "tiny", TINY)
    monkeypatch.setattr(pools, "MIX", ("clouds", "maze", "scene", "scene"))


def extractor() -> Extractor:
    torch.manual_seed(0)
    return Extractor(((3, 3), (4, 4), (5, 5), (6, 6))).requires_grad_(requires_grad=False)


def material(teacher: PreviewNet | None = None) -> Material:
    return Material([waves(40, 50)[0]], [waves(40, 40, 3)[0]], extractor(), teacher)


def silent(_: Progress) -> None:
    """Reports are looked at elsewhere."""


def same(one: nn.Module, other: nn.Module) -> bool:
    found = other.state_dict()
    return all(torch.equal(value, found[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_preview_net_is_decided_by_its_seed(workers: int) -> None:
    told: list[Progress] = []
    first, finished = train(material(), RECIPE, told.append, CPU, workers=1)
    again, _ = train(material(), RECIPE, silent, CPU, workers=workers)
    assert same(first, again)
    assert all(value.isfinite().all() for value in first.state_dict().values())
    assert not any(parameter.requires_grad for parameter in first.parameters())
    assert [progress.step for progress in told] == [3]
    assert told[0].loss == finished.loss > 0
    assert told[0].pace > 0
    assert told[0].seconds_left == 0
    other, _ = train(material(), replace(RECIPE, seed=5), silent, CPU, workers=1)
    assert not same(first, other)


def test_a_teacher_moves_what_is_learnt() -> None:
    torch.manual_seed(4)
    teacher = net_for(extractor(), TINY).requires_grad_(requires_grad=False)
    alone, taught = (train(material(one), RECIPE, silent, CPU, workers=1)[0] for one in (None, teacher))
    assert not same(alone, taught)


class Interrupted(Exception):
    """As by a signal."""


def interrupted(losses: Losses, at: int) -> Losses:
    def loss(step: int, generator: torch.Generator) -> Tensor:
        if step == at:
            raise Interrupted
        return losses(step, generator)

    return loss


def learn(checkpoint: Path | None, losses: Losses, net: nn.Module) -> Finished:
    return run(net, losses, Course(7, 1e-2, 11, {"size": "toy"}, checkpoint), silent)


def toy() -> tuple[nn.Module, Losses]:
    """A net of one layer that learns to answer zero."""
    torch.manual_seed(2)
    net = nn.Linear(3, 2)
    return net, lambda _, generator: net(torch.rand(4, 3, generator=generator)).square().mean()


def test_an_interrupted_run_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, losses = toy()
    learn(None, losses, whole)
    monkeypatch.setattr(courses, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(courses, "REPORT_EVERY", 2)
    file, (begun, losses) = tmp_path / "run.safetensors", toy()
    with pytest.raises(Interrupted):
        learn(file, interrupted(losses, 5), begun)
    resumed, losses = toy()
    seen: list[int] = []

    def watched(step: int, generator: torch.Generator) -> Tensor:
        seen.append(step)
        return losses(step, generator)

    learn(file, watched, resumed)
    assert seen == [4, 5, 6]
    assert same(whole, resumed)
    assert not same(whole, begun)


@pytest.mark.parametrize("content", [None, b"not a checkpoint"])
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file, (net, losses) = tmp_path / "run.safetensors", toy()
    if content is None:
        learn(file, losses, net)
    else:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match="not from training with these options") as caught:
        run(net, losses, Course(7, 1e-2, 12, {"size": "other"}, file), silent)
    assert caught.value.field == "checkpoint"


def test_a_pool_at_a_step_does_not_depend_on_where_the_run_began() -> None:
    plan = PoolPlan(per=2, side=16, every=3, seed=7)
    with Pool(plan, 0, 2, CPU) as early, Pool(plan, 12, 1, CPU) as late:
        before = early.pictures.clone()
        early.go_to(12)
        assert torch.equal(early.pictures, late.pictures)
        assert (early.pictures != before).any((1, 2, 3)).all()
        assert len(early.scenes) + len(early.styles) == plan.size == 2 * len(pools.MIX)


def test_no_two_pictures_of_a_pool_are_one() -> None:
    plan = PoolPlan(per=6, side=16, every=1, seed=7)
    recipes = [plan.recipe(number) for number in range(100)]
    assert len(set(recipes)) == len(recipes)
    assert {recipe.generator for recipe in recipes} == set(pools.MIX)


def test_what_is_held_out_is_never_trained_on() -> None:
    held = {*held_out_styles(25, 64), *held_out_scenes(4, 64)}
    assert len(held) == 29
    assert all(recipe.seed in HELD_OUT_SEEDS for recipe in held)
    with pytest.raises(ValueError, match="held out"):
        training_recipe("dots", 5, 64, HELD_OUT_SEEDS[0] - 5)


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.6, 1.0])
def test_a_style_net_begins_as_what_the_any_style_net_does(strength: float) -> None:
    torch.manual_seed(3)
    net = net_for(extractor(), TINY).requires_grad_(requires_grad=False)
    for parameter in net.reader.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape))
    code = encode_style(extractor(), waves(40, 40, 3))
    made = StyleNet.of(net, code, TINY.widths, TINY.blocks).requires_grad_(requires_grad=False)
    content = made.matched(waves(32, 40, 5))
    level = torch.tensor([strength])
    found, wanted = made(content, made.modulation(level)), net(content, net.modulation(code, level))
    # Exact where modulations were taken, near on the lines between.
    torch.testing.assert_close(
        found, wanted, atol=1e-5 if strength in (0, 0.25, 1) else 0.02, rtol=1e-4
    )


def test_nets_are_published_with_their_cards_and_load(tmp_path: Path) -> None:
    net, finished = train(material(), RECIPE, silent, CPU, workers=1)
    lessons = Lessons(waves(40, 48, 3), [waves(40, 50)[0]], extractor(), net, TINY)
    one, ended = train_style(lessons, RECIPE, silent, CPU, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(publish_preview.__globals__["NAMES"], "tiny", "farm-preview")
        publish_preview(net, finished, RECIPE, ["a.png"], tmp_path, CPU)
    publish_style(
        one, ended, RECIPE, TINY, "farm-preview", "house.png", ["a.png"], tmp_path / "house", CPU,
        licence="own",
    )  # fmt: skip
    catalogue = Catalogue(tmp_path)
    assert [finding.problem for finding in catalogue.verify()] == ["", ""]
    modulation = load_style_net(catalogue, "house", CPU).modulation(torch.tensor([0.5]))
    torch.testing.assert_close(modulation, one.modulation(torch.tensor([0.5])), atol=1e-3, rtol=1e-2)
    assert load_preview_net(catalogue, "farm-preview", CPU).modulated == net.modulated
    card = read_card(tmp_path / "house", ModelCard)
    assert (card.kind, card.licence) == ("style", "own")
    assert card.training is not None
    assert card.training.command.startswith("farm models train style house.png -o house --base")
    assert any("astronaut.png" in line for line in card.training.data)
