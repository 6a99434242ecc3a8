"""The pictures a job names, decoded into what the engine takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from farm.catalog.catalogue import Catalogue
from farm.engine.optimise import Style
from farm.imaging.decode import decode
from farm.imaging.limits import Limits
from farm.imaging.picture import Picture
from farm.imaging.resize import resize
from farm.spec import Job, StyleRef

Load = Callable[[str], bytes | Path]
"""From a reference in a job (a blob's ``sha256:…`` or a path) to bytes or a file."""


def tensor(picture: Picture) -> Tensor:
    """``(1, 3, h, w)`` float32 in [0, 1]."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].contiguous()


def content_picture(
    job: Job, load: Load, limits: Limits, size: tuple[int, int] | None = None
) -> Picture:
    """The content, resized to (width, height) where given, its alpha kept or composed as asked."""
    output = job.output
    picture = decode(
        load(job.content), limits, field="content", alpha=output.alpha, background=output.background
    )
    if size is None:
        return picture
    alpha = None if picture.alpha is None else resize(picture.alpha, size)
    return Picture(resize(picture.pixels, size), alpha, picture.bits, picture.source_profile)


def style_pictures(
    job: Job, load: Load, catalogue: Catalogue, limits: Limits, content: Picture
) -> list[Style]:
    """The job's styles; masks are fitted to the content."""
    return [
        Style(
            tensor(style_picture(style, f"styles.{index}", load, catalogue, limits)),
            style.weight,
            _mask(style, f"styles.{index}.mask", load, limits, content),
            style.scale,
        )
        for index, style in enumerate(job.styles)
    ]


def style_picture(
    style: StyleRef, field: str, load: Load, catalogue: Catalogue, limits: Limits
) -> Picture:
    """A style's picture from the catalogue or from the job."""
    if style.name is not None:
        source: bytes | Path = catalogue.style_path(style.name)
    else:
        assert style.image is not None
        source = load(style.image)
    return decode(source, limits, field=f"{field}.{'name' if style.name else 'image'}")


def _mask(style: StyleRef, field: str, load: Load, limits: Limits, content: Picture) -> Tensor | None:
    if style.mask is None:
        return None
    grey = decode(load(style.mask), limits, field=field).pixels.mean(2)
    return torch.from_numpy(resize(grey, (content.width, content.height)).clip(0, 1))
