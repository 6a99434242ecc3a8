"""Training: folding and scaling change no function, and a seed decides the weights."""

from __future__ import annotations

import pytest
import torch
from engine_cases import noise, relative, waves
from torch import Tensor, nn
from torch.nn import functional as F

from farm.engine.extractor import Extractor
from farm.engine.style_code import encode_style
from farm.engine.train import texture
from farm.engine.train.course import Progress, schedule
from farm.engine.train.data import Recipe, crops, generated, recolour, warp
from farm.engine.train.objective import picture_losses
from farm.engine.train.texture import TextureRecipe, _Learner, equalise, fold

SMALL = ((4, 4), (6, 6))
TEXTURE = TextureRecipe(
    steps=2, batch=4, side=16, per_generator=1, crops_per_photograph=2, source_side=24
)
NAMES = ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]


def photographs() -> list[Tensor]:
    return [waves(40, 50, seed)[0] for seed in range(2)]


def views(count: int = 6, side: int = 20) -> Tensor:
    return noise(count, 3, side, side, dtype=torch.float32)


def learner() -> _Learner:
    """A net whose batch norms have seen something."""
    torch.manual_seed(3)
    made = _Learner(Extractor(SMALL), 5)
    for norm in made.norms.values():
        assert isinstance(norm, nn.BatchNorm2d)
        norm.momentum = 0.5
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.uniform_(norm.bias, -0.3, 0.3)
    for seed in range(5):
        made(noise(6, 3, 20, 20, seed=seed, dtype=torch.float32))
    return made.eval()


def test_folding_leaves_the_features_as_they_were() -> None:
    made = learner()
    pictures, wanted, stride = views(), {}, 1
    features = (pictures - made.extractor.mean) / made.extractor.std
    for name, convolution in made.extractor.convolutions.items():
        if made.extractor.taps[name].stride != stride:
            features, stride = F.avg_pool2d(features, 2), made.extractor.taps[name].stride
        features = F.relu(made.norms[name](convolution(features)))
        wanted[name] = features.detach()
    before = made.extractor(pictures, NAMES)["conv2_2"].detach()
    fold(made)
    found = made.extractor(pictures, NAMES)
    for name in NAMES:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-5, rtol=1e-4)
    assert relative(before, found["conv2_2"].detach()) > 0.1


def test_equalising_scales_each_channel_to_mean_one_and_nothing_else() -> None:
    made = learner()
    fold(made)
    extractor = made.extractor.requires_grad_(False)
    pictures = views(70)
    before = extractor(pictures, NAMES)
    equalise(extractor, pictures)
    after = extractor(pictures, NAMES)
    for name in NAMES:
        mean = before[name].mean((0, 2, 3))
        alive = mean > 1e-2
        assert alive.float().mean() >= 0.75
        torch.testing.assert_close(
            after[name].mean((0, 2, 3))[alive], torch.ones(int(alive.sum())), atol=1e-3, rtol=0
        )
        scaled = before[name] / mean.clamp_min(1e-3)[:, None, None]
        torch.testing.assert_close(after[name], scaled, atol=1e-3, rtol=1e-3)


def test_equalising_a_silent_channel_keeps_it_finite() -> None:
    extractor = Extractor(SMALL).requires_grad_(False)
    for name in ("conv1_1", "conv2_2"):
        convolution = extractor.convolutions[name]
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        convolution.weight[0] = 0
        convolution.bias[0] = -1
    equalise(extractor, views())
    found = extractor(views(), NAMES)
    assert all(features.isfinite().all() for features in found.values())
    assert found["conv2_2"][:, 0].max() == 0


def test_the_learning_rate_warms_up_and_falls_to_nothing() -> None:
    assert schedule(0, 2000) == pytest.approx(1 / 200)
    assert schedule(199, 2000) > schedule(1000, 2000) > schedule(1999, 2000) > 0
    assert schedule(1999, 2000) < 0.01


def unreported(_: Progress) -> None:
    raise AssertionError("two steps are too few to report")


def test_a_texture_net_is_decided_by_its_seed() -> None:
    recipe = TEXTURE
    first, again = (texture.train(photographs(), recipe, unreported, workers=1) for _ in range(2))
    for name, value in first.state_dict().items():
        assert value.isfinite().all()
        assert torch.equal(value, again.state_dict()[name])
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_the_exemplars_are_generated_and_photographed() -> None:
    exemplars = texture.pool(photographs(), TEXTURE, workers=1)
    assert exemplars.dtype == torch.uint8
    assert exemplars.shape == (11 + 2 * 2, 3, 24, 24)


def test_a_picture_unlike_its_style_and_content_costs_more() -> None:
    torch.manual_seed(0)
    extractor = Extractor(((3, 3), (4, 4), (5, 5), (6, 6))).requires_grad_(False)
    content = torch.cat([waves(32, 32, seed) for seed in range(2)])
    code, strength = encode_style(extractor, content), torch.tensor([0.0, 1.0])
    same = picture_losses(extractor, content, content, code, strength)
    other = picture_losses(extractor, content.flip(0) ** 2, content, code, strength)
    assert same.shape == (2,)
    assert (same < other).all()


def test_generated_pictures_are_bytes_of_the_side_asked_for() -> None:
    made = generated([Recipe("clouds", 1, 20), Recipe("maze", 2, 20)], workers=1)
    assert made.shape == (2, 3, 20, 20)
    assert made.dtype == torch.uint8
    assert made.float().std() > 5


def test_crops_repeat_by_seed() -> None:
    first, again, other = (
        crops(photographs(), 3, 16, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (6, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_views_stay_pictures() -> None:
    generator = torch.Generator().manual_seed(1)
    pictures = (views(5, 24) * 255).to(torch.uint8)
    seen = warp(pictures, 16, generator, (0.5, 0.9))
    for one in (seen, recolour(seen, generator, 0.2)):
        assert one.shape == (5, 3, 16, 16)
        assert one.min() >= 0
        assert one.max() <= 1
    torch.testing.assert_close(recolour(seen, generator, 0.0), seen)
    assert relative(recolour(seen, generator, 0.4), seen) > 0.01
