"""How the picture is made: loss network, preset, seed, colour; and the engine's own knobs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farm.spec.base import Value


class Quality(Value):
    """What decides how the result looks."""

    extractor: Literal["farm-texture", "vgg19"] = "farm-texture"
    preset: Literal["draft", "standard", "fine"] = "standard"
    seed: int = Field(default=0, ge=0, lt=2**32)
    colour: Literal["style", "content"] = Field(
        default="style", description="'content' keeps the content's colours."
    )
    init: Literal["preview", "content"] = Field(
        default="preview", description="What the optimisation starts from."
    )
    strength: float = Field(default=0.5, ge=0, le=1, description="0 keeps content, 1 is all style.")


class EngineOptions(Value):
    """How the work is done; the picture is the same whatever these say."""

    tile: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
