"""Cards: what a model or a style is, where it comes from, and the hash its file must have."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from farm.errors import Unavailable
from farm.spec.base import Value
from farm.spec.job import NAME

CARD = "card.yaml"
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_SHA256 = r"^[0-9a-f]{64}$"


class Training(Value):
    """How a model's weights came to be."""

    command: str = Field(description="The command that makes them again.")
    seed: int
    steps: int = Field(ge=0)
    seconds: float = Field(ge=0)
    machine: str
    data: list[str] = Field(description="What it was trained on, one source each.")


class ModelCard(Value):
    """A model: its file, its hash, its licence and how it was made."""

    name: str = Field(pattern=NAME)
    version: str = Field(min_length=1)
    kind: Literal["extractor", "preview", "style"]
    file: str = Field(default="weights.safetensors", pattern=_FILE)
    sha256: str = Field(pattern=_SHA256)
    bytes: int = Field(ge=0)
    licence: str = Field(min_length=1, description="SPDX id.")
    description: str = ""
    architecture: dict[str, Any] = Field(default_factory=dict, description="E.g. blocks of widths.")
    training: Training | None = Field(default=None, description="None: the weights were fetched.")
    quality: dict[str, float] = Field(default_factory=dict)
    created: datetime


class StyleCard(Value):
    """A style of the catalogue: its picture and the ground on which it may be used."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1)
    file: str = Field(default="style.png", pattern=_FILE)
    sha256: str = Field(pattern=_SHA256)
    licence: str = Field(description="SPDX id, or 'own' or 'commissioned'.")
    source: str = Field(description="Who made it or where it comes from.")
    description: str = ""
    recipe: dict[str, Any] | None = Field(default=None, description="Generator and seed, if generated.")
    tags: tuple[str, ...] = ()


CardT = TypeVar("CardT", ModelCard, StyleCard)


def digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_card(folder: Path, card: ModelCard | StyleCard) -> Path:
    """Write ``card`` to ``folder/card.yaml``, made where missing; never leaves half a card.

    Raises:
        Unavailable: the folder cannot be written.
    """
    path = folder / CARD
    text = yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    partial = path.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise Unavailable(
            f"{path}: cannot be written ({error.strerror}); "
            "set FARM_MODELS to a folder that you may write."
        ) from None
    return path


def read_card(folder: Path, card: type[CardT]) -> CardT:
    """The card in ``folder``.

    Raises:
        Unavailable: there is none, or it does not say what a card must say.
    """
    path = folder / CARD
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unavailable(f"{path}: missing; restore it from the release.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{path}: cannot be read ({error}); restore it from the release.") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise Unavailable(f"{path}: not YAML{line}; restore it from the release.") from None
    return _parse(path, data, card)


def _parse(path: Path, data: object, card: type[CardT]) -> CardT:
    try:
        value = card.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        raise Unavailable(
            f"{path}: {field}: {first['msg'].lower()}; correct it or restore it from the release."
        ) from None
    if value.name != path.parent.name:
        raise Unavailable(
            f"{path}: name: {value.name!r} is not the name of its folder; make the two the same."
        )
    return value
