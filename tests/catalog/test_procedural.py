"""Pictures from seeds."""

from __future__ import annotations

import numpy as np
import pytest

from farm.catalog.procedural import GENERATORS, STYLE_GENERATORS, picture
from farm.catalog.procedural.noise import band, spectral, unit
from farm.catalog.procedural.palette import random_palette, shade, srgb_from_oklch

every_generator = pytest.mark.parametrize("name", GENERATORS)


@every_generator
@pytest.mark.parametrize("size", [(48, 64), (64, 48), (40, 40)])
def test_a_picture_is_float32_within_the_unit_range(name: str, size: tuple[int, int]) -> None:
    for seed in range(3):
        made = picture(name, seed, *size)
        assert made.shape == (*size, 3)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert made.min() >= 0
        assert made.max() <= 1


@every_generator
def test_a_seed_decides_the_picture(name: str) -> None:
    first, again, other = (picture(name, seed, 48, 64) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


@every_generator
def test_a_picture_is_not_flat(name: str) -> None:
    assert np.mean([picture(name, seed, 48, 64).std() for seed in range(4)]) > 0.03


def test_a_large_scene_overflows_nowhere() -> None:
    assert np.isfinite(picture("scene", 0, 512, 96)).all()


def test_generators_with_the_same_seed_draw_different_numbers() -> None:
    assert not np.array_equal(picture("clouds", 1, 48, 64), picture("marble", 1, 48, 64))


def test_an_unknown_generator_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="fresco"):
        picture("fresco", 1, 48, 64)


def test_scenes_imitate_photographs_and_are_no_style() -> None:
    assert set(GENERATORS) - set(STYLE_GENERATORS) == {"scene"}


def test_spectral_noise_has_no_mean_and_unit_variance() -> None:
    field = spectral(np.random.default_rng(1), 48, 63, 2.0)
    assert field.shape == (48, 63)
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-5)


def test_a_steeper_slope_is_smoother() -> None:
    rough, smooth = (spectral(np.random.default_rng(1), 64, 64, slope) for slope in (0.5, 3.5))
    assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(rough)).mean() / 3


def test_a_band_holds_its_frequency() -> None:
    field = band(np.random.default_rng(1), 96, 64, 8.0)
    power = np.abs(np.fft.rfft2(field)) ** 2
    frequency = np.hypot(np.fft.fftfreq(96)[:, None] * 96, np.fft.rfftfreq(64)[None] * 96)
    near = (frequency > 4) & (frequency < 12)
    assert power[near].sum() > 0.9 * power.sum()


def test_unit_spans_two_deviations() -> None:
    field = np.array([-9, -2, 0, 2, 9], np.float32)
    assert unit(field).tolist() == [0, 0, 0.5, 1, 1]


def test_known_colours_of_oklch() -> None:
    lightness = np.array([0, 1, 0.62796], np.float32)
    chroma, hue = np.array([0, 0, 0.25768], np.float32), np.array([0, 0, 0.51023], np.float32)
    found = srgb_from_oklch(lightness, chroma, hue)
    assert np.allclose(found, [[0, 0, 0], [1, 1, 1], [1, 0, 0]], atol=0.01)


def test_a_palette_goes_from_dark_to_light() -> None:
    palettes = [random_palette(np.random.default_rng(seed), 6) for seed in range(10)]
    assert all(palette.shape == (6, 3) for palette in palettes)
    assert np.mean([palette[-1].mean() - palette[0].mean() for palette in palettes]) > 0.3


def test_shading_reads_along_the_palette() -> None:
    palette = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 1]], np.float32)
    seen = shade(palette, np.array([-1, 0, 0.25, 0.5, 1, 2], np.float32))
    wanted = np.array([[0, 0, 0], [0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]])
    assert np.allclose(seen, wanted, atol=1e-6)
