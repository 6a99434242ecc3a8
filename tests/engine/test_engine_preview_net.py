"""The any-style net: every size, any batch, steered by a style's statistics."""

from __future__ import annotations

import pytest
import torch
from engine_cases import few, net, noise, relative, waves
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from farm.engine.colour_match import colour_statistics
from farm.engine.extractor import Extractor
from farm.engine.painter import Steering
from farm.engine.preview_net import SHAPES, PreviewNet, net_for, stylise
from farm.engine.style_code import CODE_TAPS, StyleCode, encode_style, feature_statistics

EXTRACTOR: Extractor = net(((3, 3), (4, 4), (5, 5), (6, 6))).float()


def small_net() -> PreviewNet:
    """Untrained, but with weights large enough that style and content matter."""
    torch.manual_seed(1)
    small = PreviewNet((3, 4, 5, 6), widths=(4, 6, 8), blocks=2, sketch=3)
    for parameter in small.reader.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape))
    return small.requires_grad_(False).eval()


NET = small_net()


def pictures(count: int, side: int = 40) -> Tensor:
    return torch.cat([waves(side, side, seed) for seed in range(count)])


def strengths(*values: float) -> Tensor:
    return torch.tensor(values)


@few
@given(height=st.integers(16, 65), width=st.integers(16, 65))
@example(height=16, width=16)
@example(height=17, width=65)
def test_every_size_keeps_its_shape(height: int, width: int) -> None:
    modulation = NET.modulation(encode_style(EXTRACTOR, pictures(1)), strengths(0.5))
    stylised = NET(waves(height, width), modulation)
    assert stylised.shape == (1, 3, height, width)
    assert stylised.isfinite().all()


def test_a_batch_is_its_pictures_one_by_one() -> None:
    code = encode_style(EXTRACTOR, pictures(2))
    contents = torch.cat([waves(33, 41, 5), waves(33, 41, 6)])
    modulation = NET.modulation(code, strengths(0.2, 0.9))
    together = stylise(NET, contents, code, modulation)
    for index in range(2):
        one = slice(index, index + 1)
        alone = code[torch.tensor([index])]
        torch.testing.assert_close(
            together[one], stylise(NET, contents[one], alone, modulation[one]), atol=1e-5, rtol=1e-4
        )
    assert together.min() >= 0
    assert together.max() <= 1


def test_styles_and_strengths_steer_the_picture() -> None:
    content, code = waves(32, 32, 7), encode_style(EXTRACTOR, pictures(2))
    seen = [
        NET(content, NET.modulation(code[torch.tensor([style])], strengths(strength)))
        for style, strength in ((0, 0.5), (1, 0.5), (0, 1.0))
    ]
    assert relative(seen[1], seen[0]) > 1e-4
    assert relative(seen[2], seen[0]) > 1e-4


def test_the_modulation_of_a_style_does_not_depend_on_its_batch() -> None:
    code = encode_style(EXTRACTOR, pictures(3))
    together = NET.modulation(code, strengths(0.1, 0.5, 1.0))
    alone = NET.modulation(code[torch.tensor([1])], strengths(0.5))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)
    assert together.shape == (3, 2 * sum(NET.modulated))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_modulations_blend_linearly(share: float) -> None:
    features = noise(1, 4, 6, 7, dtype=torch.float32)
    first, second = noise(2, 1, 8, seed=2, dtype=torch.float32)
    steered = [Steering(m, [4])(features) for m in (first, second)]
    blended = Steering(torch.lerp(first, second, share), [4])(features)
    torch.testing.assert_close(blended, torch.lerp(steered[0], steered[1], share))


def test_no_modulation_is_instance_normalisation() -> None:
    steered = Steering(torch.zeros(1, 8), [4])(noise(1, 4, 9, 9, dtype=torch.float32))
    torch.testing.assert_close(steered.mean((2, 3)), torch.zeros(1, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(steered.var((2, 3), correction=0), torch.ones(1, 4), atol=1e-3, rtol=0)


def test_a_code_holds_the_statistics_of_every_tap() -> None:
    batch = pictures(2)
    code = encode_style(EXTRACTOR, batch)
    mean, covariance = colour_statistics(batch)
    torch.testing.assert_close(code.colour_mean, mean)
    torch.testing.assert_close(code.colour_covariance, covariance)
    widths = [EXTRACTOR.taps[tap].channels for tap in CODE_TAPS]
    assert [part.shape for part in code.means] == [(2, width) for width in widths]
    assert [part.shape for part in code.covariances] == [(2, width, width) for width in widths]


def test_stacked_codes_are_the_code_of_the_stack() -> None:
    batch = pictures(3)
    stacked = StyleCode.stack([encode_style(EXTRACTOR, batch[i : i + 1]) for i in range(3)])
    whole = encode_style(EXTRACTOR, batch)
    for found, wanted in zip(
        (stacked.colour_mean, *stacked.means, *stacked.covariances),
        (whole.colour_mean, *whole.means, *whole.covariances),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_feature_statistics_are_those_of_the_positions() -> None:
    features = noise(2, 3, 5, 6, dtype=torch.float32)
    mean, covariance = feature_statistics(features)
    torch.testing.assert_close(mean[1], features[1].flatten(1).mean(1))
    torch.testing.assert_close(
        covariance[1], torch.cov(features[1].flatten(1), correction=0), atol=1e-6, rtol=1e-4
    )


def test_a_flat_style_has_a_finite_modulation() -> None:
    code = encode_style(EXTRACTOR, torch.zeros(1, 3, 32, 32))
    assert NET.modulation(code, strengths(1.0)).isfinite().all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_net_for_an_extractor_reads_its_codes(shape: str) -> None:
    made = net_for(EXTRACTOR, SHAPES[shape]).requires_grad_(False)
    modulation = made.modulation(encode_style(EXTRACTOR, pictures(1)), strengths(0.5))
    assert made(waves(24, 24), modulation).shape == (1, 3, 24, 24)


def test_shares_of_one_style_everywhere_are_that_style() -> None:
    code = encode_style(EXTRACTOR, pictures(2))
    modulation, content = NET.modulation(code, strengths(0.5, 0.5)), waves(37, 45, 8)
    shares = torch.zeros(1, 2, 37, 45)
    shares[:, 1] = 1
    found = NET(content, modulation[None], shares)
    torch.testing.assert_close(found, NET(content, modulation[1:]), atol=1e-5, rtol=1e-4)


def test_even_shares_are_a_blend_of_modulations() -> None:
    modulation = NET.modulation(encode_style(EXTRACTOR, pictures(2)), strengths(0.5, 0.5))
    content, shares = waves(32, 40, 8), torch.tensor([0.25, 0.75])[None, :, None, None]
    found = NET(content, modulation[None], shares.expand(1, 2, 32, 40))
    blend = 0.25 * modulation[:1] + 0.75 * modulation[1:]
    torch.testing.assert_close(found, NET(content, blend), atol=1e-5, rtol=1e-4)


def test_shares_put_each_style_in_its_place() -> None:
    features = noise(1, 4, 8, 16, dtype=torch.float32)
    modulation = noise(1, 2, 8, seed=2, dtype=torch.float32)
    shares = torch.zeros(1, 2, 32, 64)
    shares[:, 0, :, :32], shares[:, 1, :, 32:] = 1, 1
    found = Steering(modulation, [4], shares)(features)
    left, right = (Steering(modulation[:, style], [4])(features) for style in range(2))
    torch.testing.assert_close(found, torch.cat([left[..., :8], right[..., 8:]], 3))
