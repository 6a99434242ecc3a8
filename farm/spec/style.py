"""A style as it is asked for: a catalogue name or a picture, and the right to use it."""

from __future__ import annotations

from pydantic import Field, model_validator

from farm.spec.base import Value


class Rights(Value):
    """On what ground a style picture may be used."""

    licence: str = Field(min_length=1, description="SPDX id, or 'own' or 'commissioned'.")
    source: str = Field(min_length=1, description="Who made it or where it comes from.")


class StyleRef(Value):
    """One style of a job. Give exactly one of ``name`` (catalogue) and ``image`` (a picture)."""

    name: str | None = None
    image: str | None = None
    weight: float = Field(default=1.0, gt=0, le=100, description="Share among the job's styles.")
    mask: str | None = Field(default=None, description="Grey picture: white where the style applies.")
    feather: float = Field(
        default=0.0, ge=0, le=0.25, description="Softness of the mask's edge: a share of its long edge."
    )
    scale: float = Field(default=1.0, ge=0.1, le=10, description="Size of the style's features.")
    rights: Rights | None = Field(default=None, description="Needed for an image of your own.")

    @model_validator(mode="after")
    def _one_source(self) -> StyleRef:
        if (self.name is None) == (self.image is None):
            raise ValueError("give exactly one of name and image")
        return self
