"""From a trained net to a folder of the catalogue: float16 weights and a card of their origin."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from farm.catalog.cards import ModelCard, Training, digest, write_card

WEIGHTS = "weights.safetensors"


def publish_model(  # noqa: PLR0913  # the card's fields, by name
    net: torch.nn.Module,
    folder: Path,
    *,
    kind: str,
    version: str,
    description: str,
    architecture: Mapping[str, Any],
    training: Training,
    quality: Mapping[str, float],
    licence: str = "CC0-1.0",
) -> ModelCard:
    """Write weights and card into ``folder``, whose name is the model's."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS
    save_file(
        {name: value.half().cpu().contiguous() for name, value in net.state_dict().items()}, weights
    )
    card = ModelCard(
        name=folder.name, version=version, kind=kind, file=WEIGHTS, sha256=digest(weights),
        bytes=weights.stat().st_size, licence=licence, description=description,
        architecture=dict(architecture), training=training, quality=dict(quality),
        created=datetime.now(UTC).replace(microsecond=0),
    )  # fmt: skip
    write_card(folder, card)
    return card


def machine(device: torch.device | None = None) -> str:
    """What this training ran on."""
    if device is not None and device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return f"{torch.get_num_threads()} threads of {name}, torch {torch.__version__}"
