"""Colours moved from one picture to another: statistics, and Oklab's a and b."""

from __future__ import annotations

import pytest
import torch
from engine_cases import noise, waves

from farm.engine.colour_match import colour_statistics, keep_colour, match_colours, palette_share, tint
from farm.engine.oklab import grey, oklab, srgb


def spread(seed: int) -> torch.Tensor:
    """Colours whose covariance is far from singular."""
    return noise(2, 3, 40, 50, seed=seed, dtype=torch.float32)


def test_statistics_are_those_of_the_pixels() -> None:
    pictures = spread(0)
    mean, covariance = colour_statistics(pictures)
    for index in range(2):
        flat = pictures[index].flatten(1)
        torch.testing.assert_close(mean[index], flat.mean(1))
        torch.testing.assert_close(covariance[index], torch.cov(flat, correction=0))


def test_a_matched_picture_has_the_statistics_asked_for() -> None:
    turn, _ = torch.linalg.qr(noise(3, 3, seed=4, dtype=torch.float32))
    wanted = turn @ torch.diag(torch.tensor([0.09, 0.03, 0.01])) @ turn.T
    mean = torch.tensor([[0.2, 0.5, 0.7], [0.9, 0.1, 0.4]])
    found, covariance = colour_statistics(match_colours(spread(0), mean, wanted.expand(2, 3, 3)))
    torch.testing.assert_close(found, mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(covariance, wanted.expand(2, 3, 3), atol=2e-3, rtol=0)


def test_matching_a_picture_to_itself_hardly_moves_it() -> None:
    pictures = spread(0)
    matched = match_colours(pictures, *colour_statistics(pictures))
    torch.testing.assert_close(matched, pictures, atol=0.01, rtol=0)


def test_the_map_between_axis_aligned_gaussians_scales_each_channel() -> None:
    picture = spread(0)[:1]
    mean, covariance = colour_statistics(picture)
    wanted = torch.tensor([0.25, 1.0, 4.0]).diag() * covariance[0, 0, 0]
    matched = match_colours(picture, mean, wanted[None]) - mean[..., None, None]
    scaled = (picture - mean[..., None, None]) * torch.tensor([0.5, 1.0, 2.0]).view(1, 3, 1, 1)
    assert (matched - scaled).abs().max() < 0.06


def test_a_nearly_flat_picture_is_not_blown_up() -> None:
    quiet = 0.5 + 1e-3 * (spread(0) - 0.5)
    mean, covariance = colour_statistics(spread(1))
    matched = match_colours(quiet, mean, covariance)
    assert (matched - mean[..., None, None]).abs().max() < 0.01
    flat = match_colours(torch.full((2, 3, 8, 8), 0.3), mean, covariance)
    torch.testing.assert_close(flat, mean[..., None, None].expand(2, 3, 8, 8))


def test_matching_to_a_flat_picture_gives_its_colour() -> None:
    mean = torch.tensor([[0.2, 0.5, 0.7]])
    matched = match_colours(waves(20, 20), mean, torch.zeros(1, 3, 3))
    torch.testing.assert_close(matched, mean[..., None, None].expand_as(matched), atol=2e-3, rtol=0)


@pytest.mark.parametrize(("strength", "share"), [(0, 0), (0.25, 0.5), (0.5, 1), (1, 1)])
def test_the_palette_follows_the_strength(strength: float, share: float) -> None:
    assert palette_share(strength) == share
    content, (mean, covariance) = waves(20, 24), colour_statistics(0.3 * waves(20, 20, seed=3))
    wanted = torch.lerp(content, match_colours(content, mean, covariance), share).clamp(0, 1)
    torch.testing.assert_close(tint(content, mean, covariance, strength), wanted)


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (0.62796, 0.22486, 0.12585)),
        ((0.0, 1.0, 0.0), (0.86644, -0.23389, 0.17950)),
        ((0.0, 0.0, 1.0), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_oklab_of_known_colours(colour: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = oklab(torch.tensor(colour).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(found, torch.tensor(lab), atol=2e-5, rtol=0)


def test_every_colour_comes_back_from_oklab() -> None:
    steps = torch.linspace(0, 1, 18)
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).reshape(1, 3, 18, 324)
    torch.testing.assert_close(srgb(oklab(cube)), cube, atol=1e-4, rtol=0)


def test_kept_colour_has_the_lightness_of_one_and_the_hue_of_the_other() -> None:
    stylised, content = spread(2), spread(3)
    kept = keep_colour(stylised, content)
    assert kept.min() >= 0
    assert kept.max() <= 1
    found, wanted = oklab(kept), oklab(content)
    torch.testing.assert_close(found[:, 0], oklab(stylised)[:, 0], atol=2e-3, rtol=0)
    chroma, most = found[:, 1:].norm(dim=1), wanted[:, 1:].norm(dim=1)
    assert (chroma <= most + 1e-3).all()
    along = (found[:, 1:] * wanted[:, 1:]).sum(1)
    seen = chroma > 0.02
    assert (along / (chroma * most))[seen].min() > 0.99


def test_chroma_is_lost_only_where_the_gamut_ends() -> None:
    content = 0.45 + 0.1 * spread(3)
    kept = keep_colour(grey(content) + 0.05, content)
    torch.testing.assert_close(oklab(kept)[:, 1:], oklab(content)[:, 1:], atol=1e-5, rtol=0)
    bright = oklab(keep_colour(torch.ones_like(content), content))
    assert bright[:, 1:].abs().max() < 1e-3


def test_keeping_the_colours_of_itself_changes_nothing() -> None:
    picture = spread(4)
    torch.testing.assert_close(keep_colour(picture, picture), picture, atol=1e-4, rtol=0)
    torch.testing.assert_close(keep_colour(grey(picture), picture), picture, atol=1e-4, rtol=0)


def test_grey_content_gives_grey() -> None:
    stylised = spread(1)
    kept = keep_colour(stylised, torch.full_like(stylised, 0.5))
    torch.testing.assert_close(kept, grey(stylised), atol=1e-4, rtol=0)
    assert torch.equal(grey(stylised)[:, 0], grey(stylised)[:, 2])
