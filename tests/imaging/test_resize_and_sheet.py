"""Resizing keeps what it should, and contact sheets are laid out straight."""

from __future__ import annotations

import numpy as np
import pytest

from farm.imaging import Cell, contact_sheet, resize

GROUND = np.array([24, 24, 26]) / 255


@pytest.mark.parametrize("size", [(5, 3), (31, 77), (64, 8)], ids=str)
def test_a_flat_picture_stays_flat(size: tuple[int, int]) -> None:
    out = resize(np.full((20, 30, 3), 0.3337, np.float32), size)
    assert out.shape == (size[1], size[0], 3)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, 0.3337, atol=1e-6)


def test_shrinking_counts_every_pixel() -> None:
    array = np.zeros((256, 256), np.float32)
    array[::2] = 1
    np.testing.assert_allclose(resize(array, (16, 16))[1:-1], 0.5, atol=0.003)


def test_precision_is_beyond_eight_bits() -> None:
    ramp = np.linspace(0, 1, 512, dtype=np.float32)[None].repeat(4, axis=0)
    out = resize(ramp, (2048, 4))
    assert len(np.unique(out[0])) > 1900
    assert np.abs(np.diff(out[0])).max() < 1.5 / 2048


def test_edges_do_not_overshoot() -> None:
    array = np.zeros((8, 8), np.float32)
    array[:, 4:] = 1
    out = resize(array, (64, 64))
    assert (out.min(), out.max()) == (0, 1)


def test_the_same_size_is_a_copy(smooth: np.ndarray) -> None:
    out = resize(smooth, (32, 24))
    np.testing.assert_array_equal(out, smooth)
    assert not np.shares_memory(out, smooth)


def bright(shape: tuple[int, int]) -> Cell:
    return Cell(np.ones((*shape, 3), np.float32), "A title", "a caption long enough to wrap " * 3)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_rows_fill_the_width_between_even_margins(count: int) -> None:
    shapes = [(40, 60), (60, 40), (50, 50), (30, 80), (40, 60), (60, 40), (50, 50), (30, 80)]
    sheet = contact_sheet([bright(shape) for shape in shapes[:count]], width=900)
    assert sheet.shape[1] == 900
    white = sheet.min(axis=-1) > 0.999
    full = np.flatnonzero(white.sum(axis=1) > 200)
    assert len(full)
    for row in full:
        across = np.flatnonzero(white[row])
        assert across[0] + across[-1] == pytest.approx(899, abs=2)
        if count > 1:
            assert across[0] == 56


def test_title_caption_and_footer_are_drawn() -> None:
    cell = Cell(np.zeros((50, 50, 3), np.float32), "Title", "caption")
    plain = contact_sheet([Cell(cell.picture, "")], width=600)
    full = contact_sheet([cell], width=600, title="Sheet", footer="foot")
    assert full.shape[0] > plain.shape[0] + 80
    assert (full[:100] > 0.8).any()
    assert (np.abs(full[-80:] - GROUND) > 0.2).any()
    assert not (plain > 0.5).any()


def test_letters_without_a_glyph_are_replaced() -> None:
    black = np.zeros((50, 50, 3), np.float32)
    dashed, plain = (contact_sheet([Cell(black, text)], width=600) for text in ("é — ×", "e - x"))
    np.testing.assert_array_equal(dashed, plain)


def test_an_empty_sheet_is_still_a_picture() -> None:
    assert contact_sheet([], width=300, title="Nothing yet").shape[1:] == (300, 3)
