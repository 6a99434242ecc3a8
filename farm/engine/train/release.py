"""The cards of feed-forward nets that were trained here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from farm.catalog.cards import ModelCard, Training
from farm.engine.models import LIGHT, PREVIEW, TEXTURE
from farm.engine.preview_net import SHAPES, PreviewNet, Shape
from farm.engine.style_net import StyleNet
from farm.engine.train.course import Finished
from farm.engine.train.preview import PreviewRecipe
from farm.engine.train.publish import machine, publish_model
from farm.engine.train.split import HELD_OUT_PHOTOGRAPHS, HELD_OUT_SEEDS

NAMES = {"full": PREVIEW, "light": LIGHT}
"""What the sizes of the any-style net are called in the catalogue."""

_OPTIONS = ("steps", "batch", "side", "seed")


def publish_preview(
    net: PreviewNet, finished: Finished, recipe: PreviewRecipe, photographs: Sequence[str],
    models: Path, device: torch.device,
) -> ModelCard:  # fmt: skip
    """Write an any-style net and its card into a models folder."""
    shape = SHAPES[recipe.size]
    teacher = f", and from the pictures of {recipe.teacher}" if recipe.teacher else ""
    return publish_model(
        net, models / NAMES[recipe.size], kind="preview", version="2",
        description=f"Any-style preview net, {recipe.size}, of {TEXTURE}'s losses{teacher}.",
        architecture={
            "extractor": TEXTURE, "widths": list(shape.widths), "blocks": shape.blocks,
            "sketch": shape.sketch, "tap_widths": [len(sketch.mT) for sketch in net.sketches],
        },
        training=_training(
            f"preview --size {recipe.size}", finished, recipe, device,
            [
                *photographs, f"the styles of the catalogue, {recipe.known_share:.0%} of the time",
                *_generated(recipe),
            ],
        ),
        quality={"training_loss": round(finished.loss, 4)},
    )  # fmt: skip


def publish_style(  # noqa: PLR0913  # what a card says
    net: StyleNet, finished: Finished, recipe: PreviewRecipe, shape: Shape, base: str,
    style: str, photographs: Sequence[str], folder: Path, device: torch.device, *, licence: str,
) -> ModelCard:  # fmt: skip
    """Write a style's net and its card into ``folder``, whose name is the model's."""
    return publish_model(
        net, folder, kind="style", version="1", licence=licence,
        description=f"Preview net of one style, learnt from {base}.",
        architecture={"widths": list(shape.widths), "blocks": shape.blocks, "base": base},
        training=_training(
            f"style {style} -o {folder.name} --base {base}", finished, recipe, device,
            [style, *photographs, *_generated(recipe)],
        ),
        quality={"training_loss": round(finished.loss, 4)},
    )  # fmt: skip


def _training(
    command: str, finished: Finished, recipe: PreviewRecipe, device: torch.device, data: list[str]
) -> Training:
    options = " ".join(f"--{name} {getattr(recipe, name)}" for name in _OPTIONS)
    return Training(
        command=f"farm models train {command} {options} --device {device.type}", seed=recipe.seed,
        steps=recipe.steps, seconds=round(finished.seconds), machine=machine(device), data=data,
    )  # fmt: skip


def _generated(recipe: PreviewRecipe) -> list[str]:
    plan = recipe.pool
    made = plan.per + plan.refreshed(recipe.steps)
    return [
        f"{made} pictures of each generator, from seed {plan.seed} on",
        f"never: {', '.join(HELD_OUT_PHOTOGRAPHS)}, seeds {HELD_OUT_SEEDS[0]}-{HELD_OUT_SEEDS[-1]}",
    ]
