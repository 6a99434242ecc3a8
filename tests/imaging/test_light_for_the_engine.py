"""What the engine is given of pictures in scene-linear light."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from farm.catalog.catalogue import Catalogue
from farm.dispatch.pictures import content_picture, style_pictures
from farm.imaging import Limits, Picture, encode
from farm.imaging.shaper import Shaper
from farm.spec import Job, parse_job

LAMP = Shaper(40.0)


def exr(light: np.ndarray, alpha: np.ndarray | None = None) -> bytes:
    out = io.BytesIO()
    encode(Picture(LAMP.shaped(light), alpha, shaper=LAMP), out, format="exr", bits=32)
    return out.getvalue()


def job(**asked: object) -> Job:
    rights = {"licence": "own", "source": "these tests"}
    style = {"image": "style", "mask": "mask", "rights": rights}
    return parse_job({"farm": 1, "kind": "print", "content": "content", "styles": [style], **asked})


def test_resized_light_keeps_its_shaper_and_alpha() -> None:
    light = np.full((24, 20, 3), 40, np.float32)
    cover = np.full((24, 20), 0.5, np.float32)
    asked = job(output={"long_edge": 48, "format": "exr", "alpha": "keep"})
    picture = content_picture(asked, lambda _: exr(light, cover), Limits(), (40, 48))
    assert picture.shaper is not None
    assert np.allclose(picture.shaper.light(picture.pixels), 40, rtol=1e-4)
    assert picture.alpha is not None
    assert np.allclose(picture.alpha, 0.5)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_mask_in_an_exr_is_the_share_itself(tmp_path: Path, share: float) -> None:
    grey = exr(np.full((16, 16, 3), share, np.float32))
    asked = job(output={"long_edge": 64})
    (style,) = style_pictures(asked, lambda _: grey, Catalogue(tmp_path), Limits())
    assert style.mask is not None
    assert np.allclose(style.mask.numpy(), share, atol=1e-6)
