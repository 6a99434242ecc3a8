"""The pictures a job names, decoded into what the engine takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.catalog.catalogue import Catalogue
from farm.engine.styles import Style
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


def at_size(picture: Picture, size: int) -> Picture:
    """With ``size`` pixels along the long edge, and 16 at least along the other; without its alpha."""
    share = size / max(picture.width, picture.height)
    width, height = (max(16, round(edge * share)) for edge in (picture.width, picture.height))
    return Picture(resize(picture.pixels, (width, height)))


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
    return replace(picture, pixels=resize(picture.pixels, size), alpha=alpha)


def style_pictures(job: Job, load: Load, catalogue: Catalogue, limits: Limits) -> list[Style]:
    """The job's styles, with their masks as they are."""
    return [
        Style(
            tensor(style_picture(style, f"styles.{index}", load, catalogue, limits)),
            style.weight,
            _mask(style, f"styles.{index}.mask", load, limits),
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


def _mask(style: StyleRef, field: str, load: Load, limits: Limits) -> Tensor | None:
    if style.mask is None:
        return None
    painted = decode(load(style.mask), limits, field=field)
    # What an EXR holds is the share itself; in other files it is as people see it.
    share = painted.pixels if painted.shaper is None else painted.shaper.light(painted.pixels)
    grey = torch.from_numpy(share).mean(2)
    return feathered(grey, style.feather * max(grey.shape)).clamp(0, 1)


def feathered(mask: Tensor, sigma: float) -> Tensor:
    """A ``(h, w)`` mask blurred by a Gaussian of ``sigma`` pixels; its border goes on as it ends."""
    if sigma < 0.3:
        return mask
    reach = min(math.ceil(3 * sigma), max(mask.shape))
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (bell / bell.sum())[None, None]
    for _ in range(2):
        lines = F.pad(mask[:, None], (reach, reach), mode="replicate")
        mask = F.conv1d(lines, kernel)[:, 0].T
    return mask
