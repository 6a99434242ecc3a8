"""Losses and moments against values known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from engine_cases import few, noise
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from farm.engine import moments as sums_of
from farm.engine.losses import (
    FLATNESS,
    STYLE_LOSSES,
    StyleLoss,
    content_loss,
    covariance_loss,
    gram_loss,
    total_variation,
    wasserstein_loss,
)
from farm.engine.moments import Moments, Sums, accumulator, level_sums
from farm.engine.patch import Patch
from farm.engine.tiling import Window


def style_sums(features: Tensor, mask: Tensor | None = None) -> Sums:
    """Of ``(c, h, w)`` features, all of them."""
    return sums_of.style_sums(patch(features), mask)


def content_sums(found: Tensor, wanted: Tensor) -> Sums:
    """What the content loss takes, of ``(c, h, w)`` features."""
    count, level, square = level_sums(patch(wanted))
    found_sums = sums_of.content_sums(patch(found), wanted.permute(1, 2, 0), square / count)
    return (count, *found_sums, level, square)


def patch(features: Tensor) -> Patch:
    """Of ``(c, h, w)`` features, in blocks of which some are cut off."""
    return Patch(features[None], Window(0, features.shape[1], 0, features.shape[2]), (2, 4))


def gaussian(mean: Tensor, covariance: Tensor) -> Moments:
    return Moments(mean, covariance + torch.outer(mean, mean))


def features(seed: int = 0, channels: int = 5) -> Tensor:
    return noise(channels, 9, 11, seed=seed)


every_loss = pytest.mark.parametrize("loss", STYLE_LOSSES.values(), ids=STYLE_LOSSES.keys())


@every_loss
def test_equal_moments_cost_nothing(loss: StyleLoss) -> None:
    moments = Moments.of(style_sums(features()))
    assert loss(moments, moments).item() == pytest.approx(0, abs=1e-7)


@every_loss
def test_other_moments_cost_something(loss: StyleLoss) -> None:
    found, target = (Moments.of(style_sums(features(seed) ** (1 + seed))) for seed in (0, 1))
    assert loss(found, target).item() > 0.01


@every_loss
def test_scaling_both_sides_changes_nothing(loss: StyleLoss) -> None:
    one = loss(*(Moments.of(style_sums(features(seed) + seed)) for seed in (0, 1)))
    other = loss(*(Moments.of(style_sums((features(seed) + seed) * 30)) for seed in (0, 1)))
    assert other.item() == pytest.approx(one.item(), rel=1e-6)


def test_wasserstein_of_axis_aligned_gaussians_is_the_distance_of_means_and_deviations() -> None:
    mean, other = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 0.5]]).double()
    deviation, wanted = torch.tensor([[1.0, 2.0, 3.0], [2.0, 0.5, 3.0]]).double()
    loss = wasserstein_loss(
        gaussian(mean, deviation.square().diag()), gaussian(other, wanted.square().diag())
    )
    distance = (1 + 9 + 0) + (1 + 1.5**2 + 0)
    energy = wanted.square().sum().item() + other.square().sum().item()
    assert loss.item() == pytest.approx(distance / energy, rel=1e-6)


def test_wasserstein_does_not_depend_on_the_axes() -> None:
    turn, _ = torch.linalg.qr(noise(4, 4))
    mean, wanted = noise(4, seed=1), noise(4, seed=2)
    spread, target = noise(4, seed=3).diag(), noise(4, seed=4).diag()
    straight = wasserstein_loss(gaussian(mean, spread), gaussian(wanted, target))
    turned = wasserstein_loss(
        gaussian(turn @ mean, turn @ spread @ turn.T), gaussian(turn @ wanted, turn @ target @ turn.T)
    )
    assert turned.item() == pytest.approx(straight.item(), rel=1e-6)


def test_the_gram_matrix_confuses_brightness_with_texture_and_the_covariance_does_not() -> None:
    flat = gaussian(torch.tensor([1.0]), torch.tensor([[0.0]]))
    texture = gaussian(torch.tensor([0.0]), torch.tensor([[1.0]]))
    assert gram_loss(flat, texture).item() == pytest.approx(0)
    assert covariance_loss(flat, texture).item() > 1


def test_a_flat_picture_has_no_covariance_to_match() -> None:
    target = Moments.of(style_sums(features()))
    flat = Moments.of(style_sums(torch.full((5, 6, 6), 0.5).double()))
    energy = target.covariance.square().sum()
    missing = energy / (energy + (FLATNESS * target.mean.square().sum()).square())
    wanted = (flat.mean - target.mean).square().sum() / target.mean.square().sum()
    assert covariance_loss(flat, target).item() == pytest.approx((missing + wanted).item(), abs=1e-6)


def test_a_style_of_one_colour_does_not_drown_the_rest() -> None:
    flat = Moments.of(style_sums(torch.full((5, 6, 6), 0.5).double()))
    assert covariance_loss(Moments.of(style_sums(features())), flat).item() < 1e5


@every_loss
def test_gradients_of_style_losses(loss: StyleLoss) -> None:
    target = Moments.of(style_sums(noise(3, 5, 6, seed=1)))
    assert torch.autograd.gradcheck(
        lambda leaf: loss(Moments.of(style_sums(leaf)), target), noise(3, 5, 6).requires_grad_()
    )


def test_gradients_of_content_loss_and_variation() -> None:
    wanted = noise(2, 4, 5, seed=1)
    leaf = noise(2, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda g: content_loss(content_sums(g, wanted)), leaf)
    assert torch.autograd.gradcheck(total_variation, noise(1, 3, 4, 5).requires_grad_())


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (2, 6)])
def test_slopes_stay_finite_where_the_covariance_is_rank_deficient(size: tuple[int, int]) -> None:
    target = Moments.of(style_sums(features()))
    sums = tuple(value.requires_grad_() for value in style_sums(noise(5, *size)))
    for loss in STYLE_LOSSES.values():
        value = loss(Moments.of(sums), target)
        slopes = torch.autograd.grad(value, sums, materialize_grads=True)
        assert value.isfinite()
        assert all(slope.isfinite().all() for slope in slopes)


def content(found: Tensor, wanted: Tensor) -> float:
    return content_loss(content_sums(found, wanted)).item()


def test_content_loss_of_identical_features_is_zero() -> None:
    assert content(features(), features()) == pytest.approx(0, abs=2e-3)


def test_content_loss_forgives_level_and_contrast_but_not_inversion() -> None:
    gain, offset = noise(5, 1, 1, seed=7) + 0.5, noise(5, 1, 1, seed=8) * 4
    assert content(features() * gain + offset, features()) == pytest.approx(0, abs=5e-3)
    assert content(-features(), features()) == pytest.approx(2, abs=5e-3)


def test_content_loss_of_uncorrelated_features_is_one() -> None:
    rows = torch.arange(8).double().sin().sub(torch.arange(8).double().sin().mean())
    down, across = rows[:, None].expand(8, 8), rows[None, :].expand(8, 8)
    assert content(down[None], across[None]) == pytest.approx(1, abs=1e-6)


def test_channels_silent_in_the_content_count_for_nothing() -> None:
    wanted = features()
    silent = torch.cat([wanted, torch.zeros(1, 9, 11)])
    loud = torch.cat([features(1), noise(1, 9, 11, seed=2)])
    assert content(loud, silent) == pytest.approx(content(features(1), wanted), rel=1e-9)


def test_a_map_without_positions_costs_nothing() -> None:
    empty = torch.zeros(3, 0, 4)
    assert content(empty, empty) == 0.0


def test_total_variation_of_a_checkerboard() -> None:
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(9), indexing="ij")
    board = ((rows + columns) % 2).expand(1, 3, 6, 9).double()
    neighbours = 5 * 9 + 6 * 8
    assert total_variation(board).item() == pytest.approx(3 * neighbours / 54)
    assert total_variation(torch.full((1, 3, 6, 9), 0.3)).item() == 0


def test_moments_of_a_constant() -> None:
    moments = Moments.of(style_sums(torch.tensor([1.0, 2.0]).view(2, 1, 1).expand(2, 4, 5)))
    assert moments.mean.tolist() == pytest.approx([1, 2])
    assert moments.second.flatten().tolist() == pytest.approx([1, 2, 2, 4])
    assert moments.covariance.abs().max().item() == pytest.approx(0, abs=1e-6)


def test_moments_are_those_of_the_positions() -> None:
    flat = features().flatten(1)
    moments = Moments.of(style_sums(features()))
    torch.testing.assert_close(moments.mean, flat.mean(1))
    torch.testing.assert_close(moments.covariance, torch.cov(flat, correction=0))


def test_a_mask_selects_positions() -> None:
    mask = torch.zeros(9, 11)
    mask[2:5, 3:9] = 1
    masked = Moments.of(style_sums(features(), mask))
    inside = Moments.of(style_sums(features()[:, 2:5, 3:9]))
    torch.testing.assert_close(masked.mean, inside.mean)
    torch.testing.assert_close(masked.second, inside.second)


def test_half_a_mask_weighs_half() -> None:
    whole, half = (style_sums(features(), torch.full((9, 11), share)) for share in (1.0, 0.5))
    for one, other in zip(whole, half, strict=True):
        torch.testing.assert_close(other, one / 2)
    torch.testing.assert_close(Moments.of(half).second, Moments.of(whole).second)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_gradients_of_style_sums_are_those_of_autograd(masked: bool, last: bool) -> None:
    """With maps in rows of positions or in planes of channels."""
    order = torch.channels_last if last else torch.contiguous_format
    map_ = noise(1, 5, 9, 12).contiguous(memory_format=order)
    window = Window(1, 8, 2, 10)
    weight = noise(7, 8, seed=1) if masked else None
    cotangents = (noise(1)[0], noise(5, seed=2), noise(5, 5, seed=3))
    leaf = map_.clone(memory_format=torch.preserve_format).requires_grad_()
    sums = sums_of.style_sums(Patch(leaf, window), weight)
    inner = torch.stack([(c * s).sum() for c, s in zip(cotangents, sums, strict=True)]).sum()
    (wanted,) = torch.autograd.grad(inner, leaf)
    before = noise(1, 5, 9, 12, seed=4).contiguous(memory_format=order)
    found = before.clone(memory_format=torch.preserve_format)
    slopes = sums_of.style_slopes(sums, cotangents, torch.float64)
    with torch.no_grad():
        flat = None if weight is None else weight.flatten()
        sums_of.add_style_gradient(Patch(map_, window), Patch(found, window), flat, slopes)
    torch.testing.assert_close(found, before + wanted, rtol=1e-12, atol=1e-12)
    edge = torch.ones_like(found, dtype=torch.bool)
    edge[..., 1:8, 2:10] = False
    assert torch.equal(found[edge], before[edge])


def test_rounding_a_matrix_to_16_bits_leaves_the_slope_at_the_mean() -> None:
    features = 3 + noise(2000, 6, dtype=torch.float32)
    sums = (torch.tensor(2000.0), features.sum(0), features.T @ features)
    cotangents = (torch.tensor(0.0), noise(6, seed=1).float(), noise(6, 6, seed=2).float() - 0.5)
    slopes = sums_of.style_slopes(sums, cotangents, torch.bfloat16)
    exact = cotangents[1] + (cotangents[2] + cotangents[2].T) @ features.mean(0)
    found = slopes.vector.float() + slopes.matrix.float() @ features.mean(0)
    assert (found - exact).abs().max() < 2e-2
    careless = cotangents[1] + slopes.matrix.float() @ features.mean(0)
    assert (found - exact).norm() < (careless - exact).norm()


@few
@given(row=st.integers(0, 9), column=st.integers(0, 11))
def test_sums_over_windows_add_up(row: int, column: int) -> None:
    mask, wanted = noise(9, 11, seed=5), features(6)
    parts = [
        (slice(None), rows, columns)
        for rows in (slice(0, row), slice(row, None))
        for columns in (slice(0, column), slice(column, None))
    ]
    taken: list[tuple[Callable[..., tuple[Tensor, ...]], Tensor | None]] = [
        (style_sums, None),
        (style_sums, mask[None]),
        (content_sums, wanted),
    ]
    for sums, other in taken:
        whole = sums(features(), None if other is None else other.squeeze(0))
        split = [sums(features()[p], None if other is None else other[p].squeeze(0)) for p in parts]
        for total, *pieces in zip(whole, *split, strict=True):
            torch.testing.assert_close(torch.stack(pieces).sum(0), total)


def test_sums_are_taken_in_float32_at_least() -> None:
    assert accumulator(torch.ones(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert accumulator(torch.ones(1, dtype=torch.float64)).dtype == torch.float64
