"""How the picture is made: loss network, preset, seed, colour; and the engine's own knobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from farm.spec.base import Value

LEAST_TILE = 32
INITS = ("preview", "content", "noise")
"""What an optimisation may start from, other than a picture of one's own."""


class Quality(Value):
    """What decides how the result looks."""

    extractor: Literal["farm-texture", "vgg19"] = "farm-texture"
    preset: Literal["draft", "standard", "fine"] = "standard"
    seed: int = Field(default=0, ge=0, lt=2**32)
    colour: Literal["style", "content", "statistics"] = Field(
        default="style",
        description="'content' keeps the content's colours where they are (luminance transfer); "
        "'statistics' paints in its palette, by matching mean and covariance.",
    )
    init: str = Field(
        default="preview",
        min_length=1,
        description="What the optimisation starts from: 'preview', 'content', 'noise' or a picture.",
    )
    optimiser: Literal["adam", "lbfgs"] = Field(
        default="adam", description="'lbfgs' takes nine times the memory of 'adam'."
    )
    loss: Literal["covariance", "gram", "wasserstein"] = Field(
        default="covariance", description="Distance between the statistics of features."
    )
    strength: float = Field(default=0.5, ge=0, le=1, description="0 keeps content, 1 is all style.")


class EngineOptions(Value):
    """How the work is done; but for its precision the picture is the same whatever these say."""

    tile: int | Literal["auto", "untiled"] = Field(
        default="auto", description="Side of the tiles in pixels; 'auto' goes by the memory."
    )
    precision: Literal["auto", "float32", "tfloat32", "bfloat16", "float16"] = "auto"
    devices: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        default="auto",
        description="Processors or GPUs that share the picture; 'auto' takes several GPUs where a "
        "deadline or a budget makes them worth it.",
    )
    reproducible: bool = Field(
        default=True,
        description="Every size of tiles from 256 px on and every number of processors gives the same "
        "bits; without it small tiles are faster and round differently.",
    )

    @field_validator("tile")
    @classmethod
    def _large_enough(cls, tile: int | str) -> int | str:
        if isinstance(tile, int) and tile < LEAST_TILE:
            raise ValueError(f"a tile has at least {LEAST_TILE} pixels a side; or write 'auto'")
        return tile
