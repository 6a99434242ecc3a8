"""Previews: prepared, batched, stylised, encoded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from dispatch_cases import png
from torch import Tensor

from farm.catalog import Catalogue
from farm.dispatch import previews
from farm.dispatch.previews import Previewer, as_picture, local_preview
from farm.engine.extractor import Extractor
from farm.engine.style_code import StyleCode, encode_style
from farm.errors import InvalidInput, NotFound
from farm.imaging.decode import decode, inspect
from farm.imaging.limits import Limits

CPU = torch.device("cpu")
TOLERANCE = 0.02
"""The net may run in bfloat16 where that is faster."""


@pytest.fixture
def previewer(tiny_models: Path) -> Previewer:
    return Previewer(Catalogue(tiny_models), Limits(), CPU)


def test_a_preview_is_a_jpeg_of_the_size_asked_for(previewer: Previewer) -> None:
    prepared = previewer.prepare(png(480, 400), png(seed=5), 96, 0.5)
    (pixels,) = previewer.stylise([prepared])
    result = previewer.encode(pixels, {"decode": prepared.seconds})
    info = inspect(result.picture)
    assert (info.format, info.width, info.height) == ("jpeg", 96, 80)
    assert (result.width, result.height, result.media_type) == (96, 80, "image/jpeg")
    assert result.model == "farm-preview 0"
    assert set(result.stages) == {"decode", "encode"}
    shown = decode(result.picture).pixels
    assert abs(shown - as_picture(pixels).pixels).mean() < TOLERANCE


def test_a_batch_of_mixed_sizes_is_its_singles(previewer: Previewer) -> None:
    asked = [(96, 0.5, 5), (64, 0.2, 5), (96, 0.9, 6), (80, 0.5, 7), (64, 1.0, 6)]
    batch = [previewer.prepare(png(seed=s), png(seed=s), size, weight) for size, weight, s in asked]
    together = previewer.stylise(batch)
    assert [tuple(one.shape[1:]) for one in together] == [tuple(one.content.shape[2:]) for one in batch]
    for one, picture in zip(batch, together, strict=True):
        (alone,) = previewer.stylise([one])
        torch.testing.assert_close(picture, alone, atol=TOLERANCE, rtol=0)


def test_the_style_and_its_strength_show(previewer: Previewer) -> None:
    def mean(style: int, strength: float) -> Tensor:
        prepared = previewer.prepare(png(), png(seed=style), 64, strength)
        return previewer.stylise([prepared])[0].mean((1, 2))

    assert (mean(5, 1.0) - mean(6, 1.0)).abs().max() > 0.02
    assert (mean(5, 1.0) - mean(5, 0.0)).abs().max() > 0.02


def test_a_style_is_looked_at_once(previewer: Previewer, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Tensor] = []

    def counting(extractor: Extractor, pictures: Tensor) -> StyleCode:
        looked.append(pictures)
        return encode_style(extractor, pictures)

    monkeypatch.setattr(previews, "encode_style", counting)
    monkeypatch.setattr(previews, "_CACHED_STYLES", 2)
    for style in (1, 1, 2, 1, 2):
        previewer.prepare(png(), png(seed=style), 64, 0.5)
    assert len(looked) == 2
    previewer.prepare(png(), png(seed=1), 64, 0.5)
    previewer.prepare(png(), png(seed=3), 64, 0.5)  # the one not used for longest, 2, goes
    previewer.prepare(png(), png(seed=1), 64, 0.5)
    assert len(looked) == 3
    previewer.prepare(png(), png(seed=2), 64, 0.5)
    assert len(looked) == 4


@pytest.mark.parametrize("size", [0, -5, 63, 2049, 10**9])
def test_a_size_out_of_range_is_refused(previewer: Previewer, size: int) -> None:
    with pytest.raises(InvalidInput, match=f"size: {size} is not within 64-2048 pixels") as caught:
        previewer.prepare(png(), png(), size, 0.5)
    assert caught.value.field == "size"


def test_what_is_no_picture_is_refused_by_name(previewer: Previewer) -> None:
    with pytest.raises(InvalidInput, match=r"^content"):
        previewer.prepare(b"no picture", png(), 64, 0.5)
    with pytest.raises(InvalidInput, match=r"^style"):
        previewer.prepare(png(), b"no picture", 64, 0.5)
    with pytest.raises(NotFound, match="style"):
        previewer.prepare(png(), "no-such-style", 64, 0.5)


@pytest.mark.parametrize(("width", "height"), [(2000, 20), (20, 2000), (1, 1)])
def test_odd_shapes_go_through(previewer: Previewer, width: int, height: int) -> None:
    prepared = previewer.prepare(png(width, height), png(seed=5), 64, 0.5)
    (picture,) = previewer.stylise([prepared])
    assert torch.isfinite(picture).all()
    assert min(picture.shape[1:]) >= 16


def test_a_style_of_a_few_pixels_goes_through(previewer: Previewer) -> None:
    prepared = previewer.prepare(png(), png(6, 500, seed=5), 64, 0.5)
    assert torch.isfinite(previewer.stylise([prepared])[0]).all()


def test_a_local_preview_needs_no_farm(tiny_models: Path, tmp_path: Path) -> None:
    content, style = tmp_path / "content.png", tmp_path / "style.png"
    content.write_bytes(png())
    style.write_bytes(png(seed=5))
    picture = local_preview(content, style, 64, 0.5, Catalogue(tiny_models))
    assert (picture.width, picture.height) == (64, 53)
