"""The accelerator catalogue: what types there are, what they can do and what they cost.

The entries are in ``catalogue.yaml`` beside this file, each with its source and the day it was read.
``accelerators.yaml`` in the farm's home, or the file that ``FARM_ACCELERATORS`` names, goes before it,
key by key. What ``farm bench engine`` measured is in another file; see ``calibration``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from farm.errors import InvalidInput
from farm.route.accelerator import Preemption
from farm.settings import Settings
from farm.spec.base import Value, fields_at, suggestion

SHIPPED = Path(__file__).with_name("catalogue.yaml")
OVERRIDES = "accelerators.yaml"
Market = Literal["on-demand", "spot"]
Rate = Literal["float32", "tfloat32", "bfloat16", "float16"]


class Dated(Value):
    """Where a figure comes from, and the day it was read there."""

    source: str = Field(min_length=1, description="In words, or a name under ``sources``.")
    as_of: date


class Price(Dated):
    """USD for one accelerator and hour, its share of the machine included."""

    on_demand_usd_h: float | None = Field(default=None, gt=0)
    spot_usd_h: float | None = Field(default=None, gt=0)
    machine: str = Field(default="", description="The machine that the price is a share of.")


class Prior(Dated):
    """What is assumed of spot capacity until the farm has seen some itself."""

    events: float = Field(gt=0)
    hours: float = Field(gt=0)


class Entry(Value):
    """One type of accelerator; of ``kind`` cpu one core."""

    maker: str
    kind: Literal["cpu", "cuda"] = "cuda"
    aliases: tuple[str, ...] = Field(default=(), description="Other names that labels give it.")
    memory_gb: float = Field(gt=0)
    bandwidth_gb_s: float | None = Field(default=None, gt=0)
    tflops: dict[Rate, float] = Field(description="Dense peaks by the precision of convolutions.")
    auto: Rate = Field(description="The precision that prints take there unasked.")
    figures: Dated
    price: Price
    preemption: Prior | None = None

    @model_validator(mode="after")
    def _rated(self) -> Entry:
        if self.auto not in self.tflops:
            raise ValueError(f"tflops has no rate for {self.auto}, which auto names")
        if any(rate <= 0 for rate in self.tflops.values()):
            raise ValueError("tflops must be above 0")
        return self

    @property
    def prior(self) -> Preemption | None:
        """Of spot capacity."""
        known = self.preemption
        return Preemption(events=known.events, hours=known.hours) if known else None


class Provider(Dated):
    """What a provider of machines asks beside them."""

    egress_usd_gb: float = Field(ge=0, description="To bring a gigabyte out of there.")


class Catalogue(Value):
    """All types by name."""

    sources: dict[str, str] = Field(default_factory=dict)
    types: dict[str, Entry]
    providers: dict[str, Provider] = Field(
        default_factory=dict, description="By the name that cluster.yaml gives them."
    )

    def find(self, name: str) -> str | None:
        """The type of that name or alias, however it is capitalised; None where there is none."""
        wanted = name.lower()
        for known, entry in self.types.items():
            if wanted in (known.lower(), *(alias.lower() for alias in entry.aliases)):
                return known
        return None

    def entry(self, name: str, field: str = "accelerator") -> Entry:
        """The type of that name or alias.

        Raises:
            InvalidInput: there is none.
        """
        found = self.find(name)
        if found is None:
            raise InvalidInput(
                f"{field}: {name!r} is not in the catalogue of accelerators; "
                f"{suggestion(name, list(self.types))}",
                field=field,
            )
        return self.types[found]

    def price(self, name: str, market: Market) -> float:
        """USD for an hour of one accelerator.

        Raises:
            InvalidInput: no such type, or no such price is known.
        """
        known = self.entry(name).price
        found = known.on_demand_usd_h if market == "on-demand" else known.spot_usd_h
        if found is None:
            key = f"types.{self.find(name)}.price.{'spot' if market == 'spot' else 'on_demand'}_usd_h"
            raise InvalidInput(
                f"{key}: missing, so {market} capacity of it has no price; write one into {OVERRIDES} "
                "in the farm's home.",
                field=key,
            )
        return found


def read_catalogue(settings: Settings) -> Catalogue:
    """The shipped catalogue under the operator's own.

    Raises:
        InvalidInput: the operator's file cannot be read, or has an unknown key or a price that is none.
    """
    path = settings.accelerators or settings.folder / OVERRIDES
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        if settings.accelerators is None and isinstance(error, FileNotFoundError | NotADirectoryError):
            return shipped()
        raise InvalidInput(
            f"FARM_ACCELERATORS: {path} cannot be read ({error.strerror}); name a readable file.",
            field="FARM_ACCELERATORS",
        ) from None
    return _overridden(path, changed)


@lru_cache(maxsize=1)
def shipped() -> Catalogue:
    """The catalogue as it comes."""
    return _parsed(_raw(SHIPPED), SHIPPED)


@lru_cache(maxsize=8)
def _overridden(path: Path, changed: int) -> Catalogue:
    """``changed`` is when, so that a file that is written anew is read anew."""
    return _parsed(_merged(_raw(SHIPPED), _raw(path)), path)


def _raw(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read ({error}); correct or remove it.") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise InvalidInput(f"{path}: not YAML{line}; correct or remove it.") from None
    if not isinstance(data, dict):
        raise InvalidInput(f"{path}: keys are needed, such as 'types:'; see docs/catalogue.md.")
    return {str(key): value for key, value in data.items()}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``, key by key as deep as both have keys."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)
        both[key] = value
    return both


def _parsed(data: Mapping[str, Any], path: Path) -> Catalogue:
    try:
        return Catalogue.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(f"{path}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """The first complaint: which key, what is wrong, and what to write."""
    first = error.errors()[0]
    place = [part for part in first["loc"] if part != "[key]"]
    field = ".".join(map(str, place))
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown key; {suggestion(str(place[-1]), _keys(place[:-1]))}"
    if first["type"] == "missing":
        name = str(place[1]) if len(place) == 3 else ""
        if name and name not in shipped().types:
            known = suggestion(name, list(shipped().types))
            return (
                f"types.{name}: not in the catalogue, and no whole entry ({field} is missing); {known}"
            )
        return f"{field}: missing; add it."
    if field.endswith("_usd_h"):
        return (
            f"{field}: {first['input']!r} is no price; write USD for an hour, above 0, or leave it out."
        )
    if first["type"] == "literal_error":
        return f"{field}: {first['input']!r} is unknown; {first['msg'].lower()}."
    said = first["msg"].removeprefix("Value error, ")
    return f"{field or 'types'}: {said[:1].lower()}{said[1:].rstrip('.')}."


def _keys(place: list[Any]) -> list[str]:
    """The keys that there may be at a place of the file."""
    if len(place) >= 2:
        return list(fields_at(Entry if place[0] == "types" else Provider, place[2:]))
    return list(Catalogue.model_fields)
