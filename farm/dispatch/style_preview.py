"""A preview by a net that was trained for one style."""

from __future__ import annotations

from pathlib import Path

import torch

from farm.catalog.catalogue import Catalogue
from farm.dispatch.pictures import at_size, tensor
from farm.dispatch.previews import as_picture
from farm.engine.colour_match import tint
from farm.engine.models import load_style_net
from farm.imaging.decode import decode
from farm.imaging.limits import Limits
from farm.imaging.picture import Picture


def is_style_net(name: str, catalogue: Catalogue) -> bool:
    """Whether a net of one style has that name."""
    return any(card.name == name and card.kind == "style" for card in catalogue.models())


def style_net_preview(
    content: bytes | Path, name: str, size: int, strength: float, catalogue: Catalogue
) -> Picture:
    """A content with ``size`` pixels along its long edge, as the net of that name paints it.

    Raises:
        InvalidInput: the content is not a picture.
        NotFound: there is no such net.
        BadModel: its weights are not as its card says.
    """
    net = load_style_net(catalogue, name, torch.device("cpu"))
    small = at_size(decode(content, Limits(), field="content"), size)
    level = torch.tensor([strength])
    with torch.inference_mode():
        tinted = tint(tensor(small), net.colour_mean, net.colour_covariance, strength)
        painted = net(tinted.to(memory_format=torch.channels_last), net.modulation(level))
        return as_picture(painted[0].clamp(0, 1))
