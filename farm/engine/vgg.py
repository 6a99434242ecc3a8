"""VGG-19's convolutions as an extractor, from torchvision's ImageNet weights.

The weights file is 548 MB, of which the convolutions to conv5_1 are all that a loss needs.
"""

from __future__ import annotations

import tempfile
import urllib.error
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from farm.catalog.cards import ModelCard, digest, write_card
from farm.engine import taps
from farm.engine.extractor import Extractor
from farm.engine.models import VGG19
from farm.errors import Unavailable

BLOCKS = taps.BLOCKS[VGG19]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PUBLISHED_PREFIX = "dcbb9e9d"
"""First digits of the file's sha256, which its publisher put into its name."""


def load_torchvision() -> object:
    """torchvision's module of models.

    A CPU build of torch beside a CUDA build of torchvision lacks two operators that torchvision
    registers fakes for at import; their schemas alone let everything written in Python work.
    """
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            library.define(  # type: ignore[no-untyped-call]
                f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision
    load_torchvision.library = library  # type: ignore[attr-defined]  # schemas live as long as it does
    return torchvision.models


def pull_vgg19(folder: Path) -> ModelCard:
    """Download, verify and keep VGG-19 in a models folder.

    Raises:
        Unavailable: there is no network, or the file is not the published one.
    """
    from torch.hub import download_url_to_file

    models = load_torchvision()
    url = models.VGG19_Weights.IMAGENET1K_V1.url  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory(prefix="farm-") as scratch:
        file = Path(scratch) / "vgg19.pth"
        try:
            download_url_to_file(url, str(file), hash_prefix=_PUBLISHED_PREFIX, progress=True)
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise Unavailable(
                f"vgg19: cannot be fetched from {url} ({reason}); run this where there is a network, "
                "or use quality.extractor 'farm-texture'."
            ) from None
        except RuntimeError:
            raise Unavailable(
                f"vgg19: what came from {url} is not the published file; try again."
            ) from None
        weights = torch.load(file, map_location="cpu", weights_only=True)
    return keep_vgg19(weights, folder / VGG19)


def keep_vgg19(weights: dict[str, Tensor], folder: Path) -> ModelCard:
    """Write the convolutions of torchvision's state dict as a model of the catalogue."""
    extractor = from_state_dict(weights)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in extractor.state_dict().items()}, file)
    card = ModelCard(
        name=VGG19, version="IMAGENET1K_V1", kind="extractor", file=file.name, sha256=digest(file),
        bytes=file.stat().st_size, licence="BSD-3-Clause (code); trained on ImageNet, research terms",
        description="VGG-19 to conv5_1, torchvision's ImageNet weights (Simonyan and Zisserman 2015).",
        architecture={"blocks": [list(b) for b in BLOCKS], "mean": list(MEAN), "std": list(STD)},
        training=None, quality={}, created=datetime(2014, 9, 4, tzinfo=UTC),
    )  # fmt: skip
    write_card(folder, card)
    return card


def from_state_dict(weights: dict[str, Tensor]) -> Extractor:
    """An extractor with the convolutions of ``torchvision.models.vgg19().state_dict()``."""
    extractor = Extractor(BLOCKS, MEAN, STD)
    numbers = sorted({int(name.split(".")[1]) for name in weights if name.startswith("features.")})
    state = extractor.state_dict()
    for name, number in zip(extractor.convolutions, numbers, strict=False):
        for part in ("weight", "bias"):
            state[f"convolutions.{name}.{part}"] = weights[f"features.{number}.{part}"]
    extractor.load_state_dict(state)
    return extractor
