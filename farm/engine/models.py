"""Nets from the catalogue: built from the card's architecture, filled with verified weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from farm.catalog.cards import ModelCard
from farm.catalog.catalogue import Catalogue
from farm.engine.extractor import Extractor
from farm.engine.preview_net import PreviewNet
from farm.engine.processor import processor_has_bfloat16
from farm.engine.style_net import StyleNet
from farm.errors import BadModel, NotFound

TEXTURE = "farm-texture"
PREVIEW = "farm-preview"
LIGHT = "farm-preview-light"
VGG19 = "vgg19"
MOST_LOST = 0.02
"""Share of the way to a print's optimum that a net may lose by fewer digits."""


def load_extractor(catalogue: Catalogue, name: str, device: torch.device) -> Extractor:
    """A frozen loss network.

    Raises:
        BadModel: its weights are not here or not as their card says.
    """
    try:
        card = catalogue.model(name)
    except NotFound:
        if name != VGG19:
            raise
        raise BadModel(
            "quality.extractor: 'vgg19' is not on this machine; run 'farm models pull vgg19' once, "
            "or use 'farm-texture'.",
            field="quality.extractor",
        ) from None
    extractor = Extractor(
        card.architecture["blocks"],
        card.architecture.get("mean", (0.5, 0.5, 0.5)),
        card.architecture.get("std", (0.25, 0.25, 0.25)),
    )
    fill(extractor, catalogue.weights(name), card)
    extractor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    return extractor.eval().requires_grad_(False)


def load_preview_net(catalogue: Catalogue, name: str, device: torch.device) -> PreviewNet:
    """A frozen preview net.

    Raises:
        BadModel: its weights are not here or not as their card says.
    """
    card = catalogue.model(name)
    net = PreviewNet(
        card.architecture["tap_widths"],
        tuple(card.architecture["widths"]),
        card.architecture["blocks"],
        card.architecture["sketch"],
    )
    fill(net, catalogue.weights(name), card)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    return net.eval().requires_grad_(False)


def released(card: ModelCard, device: torch.device) -> list[torch.dtype]:
    """What a preview net may be computed in there.

    In fewer digits only where its card says what they cost in quality, and that is next to nothing; and
    never where the processor has no instructions for them, which makes them many times slower.
    """
    able = device.type != "cpu" or processor_has_bfloat16()
    delta = card.quality.get("bfloat16_closed_delta")
    good = delta is not None and delta >= -MOST_LOST
    return [torch.float32, torch.bfloat16] if able and good else [torch.float32]


def load_style_net(catalogue: Catalogue, name: str, device: torch.device) -> StyleNet:
    """A frozen net of one style.

    Raises:
        BadModel: its weights are not here or not as their card says.
    """
    card = catalogue.model(name)
    net = StyleNet(tuple(card.architecture["widths"]), card.architecture["blocks"])
    fill(net, catalogue.weights(name), card)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    return net.eval().requires_grad_(False)


def fill(net: torch.nn.Module, weights: Path, card: ModelCard) -> None:
    """Load float16 or float32 safetensors into a net.

    Raises:
        BadModel: tensors are missing, unknown or of another shape.
    """
    try:
        tensors = load_file(weights)
        net.load_state_dict({name: value.float() for name, value in tensors.items()})
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip().rstrip(".")
        raise BadModel(
            f"models/{card.name}: the weights do not fit the card ({reason}); run 'farm models verify'."
        ) from None
