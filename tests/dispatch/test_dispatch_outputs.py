"""What a job may ask of its picture: colours, alpha, formats, several styles and masks."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from dispatch_cases import RIGHTS, Bench, encoded, plain, png
from PIL import Image

from farm.engine.oklab import oklab
from farm.engine.pyramid import PRESETS, Preset
from farm.imaging.decode import decode, inspect
from farm.imaging.picture import Array
from farm.imaging.resize import resize
from farm.spec import JobState
from farm.spec.event import Done

SIZE = (64, 53)


def chroma(pixels: Array) -> Array:
    """Oklab's a and b."""
    return oklab(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0, 1:].numpy()


def made(bench: Bench) -> Array:
    bench.finish()
    assert bench.state() is JobState.DONE, bench.queue.job("j1").reason
    return decode(bench.final()).pixels


def likeness(one: Array, other: Array) -> float:
    """Correlation of two arrays."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_every_picture_of_a_print_is_as_large_on_paper(bench: Bench) -> None:
    bench.submit(output={"long_edge": 64, "format": "png", "dpi": 150})
    made(bench)
    sizes = []
    for event in bench.events("rendition"):
        with Image.open(BytesIO(bench.store.get(event.picture.blob))) as picture:
            assert picture.width / picture.info["dpi"][0] == pytest.approx(64 / 150, rel=0.01)
            sizes.append(picture.width)
    assert sizes[0] < sizes[-1] == 64


@pytest.mark.parametrize("kind", ["print", "preview"])
def test_colours_of_the_content_stay_where_they_are(bench: Bench, kind: str) -> None:
    content = png(channels=3)
    bench.submit(
        kind=kind, content=bench.blob(content), quality={"preset": "draft", "colour": "content"}
    )
    found, wanted = chroma(made(bench)), chroma(resize(decode(content).pixels, SIZE))
    assert likeness(found, wanted) > 0.9
    assert (np.linalg.norm(found, axis=0) < np.linalg.norm(wanted, axis=0) + 0.03).all()


@pytest.mark.parametrize(("colour", "whose"), [("statistics", 0), ("style", 1)])
def test_the_palette_is_the_contents_only_if_asked(bench: Bench, colour: str, whose: int) -> None:
    content, style = plain(48, 40, 190, 80, 60), plain(48, 40, 50, 90, 200)
    bench.submit(
        content=bench.blob(content), styles=[{"image": bench.blob(style), "rights": RIGHTS}],
        quality={"preset": "draft", "colour": colour},
    )  # fmt: skip
    found = chroma(made(bench)).mean((1, 2))
    palettes = [chroma(decode(picture).pixels).mean((1, 2)) for picture in (content, style)]
    assert np.argmin([np.linalg.norm(found - palette) for palette in palettes]) == whose


@pytest.mark.parametrize("kind", ["print", "preview"])
@pytest.mark.parametrize("alpha", ["keep", "compose"])
def test_alpha_is_kept_or_composed_as_asked(bench: Bench, kind: str, alpha: str) -> None:
    content = png(channels=4)
    bench.submit(
        kind=kind, content=bench.blob(content),
        output={"long_edge": 64, "alpha": alpha, "background": "#000000"},
    )  # fmt: skip
    bench.finish()
    assert bench.state() is JobState.DONE, bench.queue.job("j1").reason
    found = decode(bench.final(), alpha="keep")
    if alpha == "compose":
        assert found.alpha is None
        return
    wanted = decode(content, alpha="keep").alpha
    assert found.alpha is not None
    assert wanted is not None
    # Prints are resampled by rows, with another kernel than previews.
    np.testing.assert_allclose(found.alpha, resize(wanted, SIZE).clip(0, 1), atol=0.02)


@pytest.mark.parametrize("kind", ["print", "preview"])
@pytest.mark.parametrize(
    ("output", "name", "media_type", "bits"),
    [
        ({"format": "tiff"}, "final.tif", "image/tiff", 16),
        ({"format": "png"}, "final.png", "image/png", 16),
        ({"format": "png", "bit_depth": 8}, "final.png", "image/png", 8),
        ({"format": "jpeg"}, "final.jpg", "image/jpeg", 8),
    ],
)
def test_every_format_has_its_name_and_depth(
    bench: Bench, kind: str, output: dict[str, object], name: str, media_type: str, bits: int
) -> None:
    bench.submit(kind=kind, output={"long_edge": 64, **output})
    bench.finish()
    (file,) = bench.done().artefacts
    info = inspect(bench.store.get(file.blob))
    assert (file.name, file.media_type, info.bits) == (name, media_type, bits)
    assert (info.width, info.height) == SIZE


def test_a_preview_job_goes_from_queued_to_done(any_bench: Bench) -> None:
    bench = any_bench
    bench.submit(kind="preview")
    bench.finish()
    assert bench.kinds() == ["queued", "routed", "started", "rendition", "done"]
    done = bench.done()
    (rendition,) = bench.events("rendition")
    assert (rendition.fidelity, rendition.model) == ("final", "farm-preview 0")
    assert done.artefacts == (rendition.picture,)
    assert done.extractor == "farm-preview 0"
    assert done.usd > 0


def tinted(*colour: int) -> bytes:
    """Waves in shades of one colour."""
    grey = decode(png(seed=5)).pixels.mean(2)[..., None]
    return encoded((grey * np.array(colour)).astype(np.uint8))


@pytest.mark.parametrize("kind", ["print", "preview"])
def test_each_style_goes_where_its_mask_is_white(
    bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "draft", Preset(start=64, first=60, decay=0.5, least=3))
    left, right = np.zeros((40, 48), np.uint8), np.zeros((40, 48), np.uint8)
    left[:, :24], right[:, 24:] = 255, 255
    red, blue = tinted(250, 60, 60), tinted(60, 60, 250)
    bench.submit(
        kind=kind,
        content=bench.blob(plain(48, 40, 128, 128, 128)),
        styles=[
            {"image": bench.blob(red), "mask": bench.blob(encoded(left)), "rights": RIGHTS},
            {"image": bench.blob(blue), "mask": bench.blob(encoded(right)), "rights": RIGHTS},
        ],
        quality={"preset": "draft", "strength": 1.0, "init": "content"},
    )
    pixels = made(bench)
    redness = (pixels[..., 0] - pixels[..., 2]).mean(0)
    assert redness[:24].mean() > redness[-24:].mean() + 0.05


def test_weights_decide_between_styles_that_are_blended(bench: Bench) -> None:
    red, blue = plain(48, 40, 210, 50, 50), plain(48, 40, 50, 50, 210)
    found = []
    for number, weight in enumerate((0.2, 1.0, 5.0), start=1):
        bench.submit(
            f"j{number}", content=bench.blob(plain(48, 40, 128, 128, 128)),
            styles=[
                {"image": bench.blob(red), "weight": weight, "rights": RIGHTS},
                {"image": bench.blob(blue), "rights": RIGHTS},
            ],
            quality={"preset": "draft", "strength": 1.0},
        )  # fmt: skip
    bench.finish()
    for number in (1, 2, 3):
        done = bench.queue.events(f"j{number}", limit=10_000)[-1]
        assert isinstance(done, Done)
        pixels = decode(bench.store.get(done.artefacts[0].blob)).pixels
        found.append(float((pixels[..., 0] - pixels[..., 2]).mean()))
    assert found == sorted(found)
    assert found[-1] - found[0] > 0.1
